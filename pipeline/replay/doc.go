// Package replay runs trades of the past through the engine again: a range of
// the topic of trades with the decisions of its journal, or a file. What comes
// out goes to other topics or to a stream of text, or is held byte by byte
// against what a node has published.
//
// The central type is the Player. It hands the records of all partitions to one
// pipeline.Rehearsal each, in the order of their Kafka timestamps, at the pace
// that it was told, and their outputs to a Sink. The same input gives the same
// bytes, whatever the pace.
//
// It consumes in no group, commits nothing, takes no decision by the clock, and
// writes nothing to the topics of a node.
package replay
