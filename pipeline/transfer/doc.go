// Package transfer brings files into a running installation and its data out
// into files: trades into the input topic, bars into a history, and trades or
// klines from the topics or a history as CSV, JSON lines or Parquet.
//
// The central type is Import. It reads one file row by row (plain, gzip or zip,
// in constant memory), turns rows into trades or bars, hands them over in batches
// and writes into a small state file, after each acknowledgement, how many rows
// are done and what they hashed to. An import that was interrupted, by a signal,
// a kill or a fault, goes on behind the last row of that file; what it sends
// twice carries the same ids and counts once. Its counterpart Export reads a
// snapshot, sorts it on the disk and writes each row once, in an order that does
// not depend on how the data lay.
//
// It judges nothing but the form of a row: whether a trade is late, a duplicate
// or beyond a limit is the engine's decision. It knows no Kafka client and no
// database, but what takes records and rows.
package transfer
