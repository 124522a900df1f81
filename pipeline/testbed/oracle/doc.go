// Package oracle recomputes klines from trades by brute force and compares them with what the pipeline published: in the klines
// topic, over REST and over the stream.
//
// The central type is [Trade]: read from the topic by kcat, a client in C, kept for the whole run, and then, per symbol, freed of
// duplicates, sorted by event time and summed with math/big into [Expected] klines. [Compare] holds them against [Kline] values
// and returns a [Report] that counts lost, doubled and wrong ones.
//
// It shares no code with the pipeline: another reader, another representation, another algorithm, so that a bug is not on both
// sides. It keeps everything in memory and knows no lateness: a trade that was refused is taken out by its position
// ([Refused]), not by a rule. Indicators, gaps and forming klines are not its business.
package oracle
