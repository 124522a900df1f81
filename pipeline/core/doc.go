// Package core is the pure step of one partition: trades, heartbeats and
// decisions go in, klines and diverted trades come out. The same inputs give
// the same bytes on every machine, in every cut into batches, before and after
// a restart, because nothing else can get in: the package reads no clock, starts
// no goroutine, does no I/O, draws no random number and lets no map order reach
// an output.
//
// The central type is Engine. New builds an empty one, or Restore fills it from
// a snapshot; then records are offered in offset order (Trades, Undecodable,
// Heartbeat) and decisions at their offset (Act), each appending to an Outputs
// that the caller owns. Snapshot writes everything that the next step depends
// on. One goroutine owns an Engine; it has no lock.
//
// It does not decode JSON, number journal records, decide anything that needs
// the wall clock (it only answers what such a decision would be, see IdleOp),
// run indicators, or fill quiet intervals: a bucket without a trade has no
// kline.
package core
