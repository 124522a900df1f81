// Package serve holds everything the HTTP routes hand out, without HTTP: the
// newest klines and indicator values of every series, the frames of the event
// stream, and the memory from which a client resumes.
//
// The central type is the Hub. It lives as long as the engine: it is fed with
// the records of the topic klines in log order (Apply) and with forming bars
// from the workers' memory (Forming), it is read by any number of requests, and
// every stream is a Subscriber whose loop asks it for the next bytes to write.
// Each event is encoded once and shared by all that receive it.
//
// The package does not authenticate, does not count requests per user, reads no
// topic by itself and keeps nothing on disk: what is in the Hub can be built
// again from klines at any time.
package serve
