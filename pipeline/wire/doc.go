// Package wire turns the bytes of records into what the core works with, and
// the core's results into bytes: trade JSON in, kline JSON out, heartbeats,
// restated values, the journal's decisions, header names, reject reasons.
//
// The central type is the Decoder: one per worker, made from a Mapping when the
// worker starts, used for every record, never shared. It reads a trade in one
// of three ways that agree on every input: the canonical key order that our own
// feeds write, any order by hand, and encoding/json for what is rare (escapes,
// duplicate keys, deep nesting). What it returns points into the record's
// buffer and is valid as long as that is.
//
// The package judges form, not value: whether a price may be negative, whether
// a time lies too far ahead or whether an id was seen before is the core's
// business. It does no I/O, knows no Kafka and keeps nothing between records.
package wire
