// Package feed holds what produces trades: programs that read them somewhere
// and write them into the input topic, from which the engine takes them like
// anybody's.
//
// The central type is Replay: it reads a file of trades, sends them at the pace
// of their event times and tells every partition that it is alive. It lives as
// long as its Run; after a restart it finds its place by the last trade of its
// symbols in the topic and goes on there, so that nothing it sends is a
// duplicate.
//
// A feed knows neither the engine nor Kafka's client: it writes through the
// TradeWriter that it is given. It keeps no file of its own and never skips a
// trade: a write that fails is repeated, a line that cannot be read ends the
// feed.
package feed
