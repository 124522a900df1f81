// Package line keeps klines in databases that read the line protocol over HTTP:
// QuestDB and InfluxDB.
//
// The central type is Sink. A bar is one line; its key is symbol, interval, open
// time, revision and epoch, so that a line sent again replaces itself and no
// revision replaces another. The position is a line of its own, sent after the
// rows were acknowledged: a crash between the two repeats a batch.
//
// It writes no trades: many of one moment share a timestamp, which is the key of
// these databases. And it cannot make floats exact: QuestDB gets decimals,
// InfluxDB, which has none, the nearest float64.
package line
