// Package feed holds what produces trades: programs that read them somewhere
// and write them into the input topic, from which the engine takes them like
// anybody's.
//
// The central types are Replay, which reads a file at the pace of its event
// times, HTTP, which polls venues, and WebSocket, which listens to one. Each
// lives as long as its Run; after a restart it finds its place by the last trade
// of its symbols in the topic and asks for what is missing. A live feed delivers
// by way of the disk when the topic does not take its trades, reads only what a
// lock gives to this node, and tells every partition how far it has read.
//
// A feed knows neither the engine nor Kafka's client nor Redis: it writes through
// the Topic that it is given. It never skips a trade silently: a write that fails
// is repeated, what a venue does not give any more is counted as missing.
package feed
