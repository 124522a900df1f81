// Package clickhouse keeps klines, and trades if asked, in ClickHouse: plain
// HTTP and TabSeparated rows, which every version of the last eight years reads
// alike.
//
// The central type is Sink, one per table. Rows go into a ReplacingMergeTree
// whose key is the row's own, so that a batch sent again changes nothing that a
// reader with FINAL sees; of several revisions of a kline the newest stays. The
// position is a row of its own, written after the rows were acknowledged: a
// crash between the two repeats a batch and loses none.
//
// It relies on no insert deduplication of the server, since only replicated
// tables have it, and it rounds nothing: digits beyond the column's scale, which
// newer servers cut in silence, make a row be refused.
package clickhouse
