// Package verify recomputes klines and indicator values from a topic of trades
// and holds them against what was published: the topic klines, Redis, REST. It
// is the proof that an operator can run; it shares no code with the engine but
// the readers of Kafka, and takes the other way wherever there are two: it reads
// trade JSON by its own scanner, adds each trade to every interval directly,
// rescales each bar on its own, and runs the indicators natively, not as
// WebAssembly.
//
// The central type is the auditor of one partition. It reads ticks, klines, late
// and dlq in step, by the positions in the headers of the outputs, so it holds
// only the bars that may still change, the ids of the documented horizon and one
// fetch of each topic. A bar is compared at each of its revisions, and once more
// when nothing may change it any longer; then it is let go. What differs becomes
// a Difference; the trades of the range are accounted for in a Tally: in a bar,
// duplicate, late or rejected.
//
// It does not act on the journal. A bar's content follows from the trades alone;
// the journal says when the clock closed a quiet one. So a bar that only a
// decision could close is compared where it was published and not missed where
// it was not. It repairs nothing and writes nothing.
package verify
