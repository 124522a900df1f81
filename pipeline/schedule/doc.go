// Package schedule runs the protocol of exactly once against a log in memory,
// with a seed in the place of time: who does what next, what fails and what
// gets lost is drawn from one generator, so that the same seed gives the same
// run, event for event and byte for byte.
//
// The central type is the world of one schedule: topics with transactions, a
// group, one to three nodes with their workers, a view in the manner of Redis,
// and a producer of trades. It lives for some hundred events, is then healed,
// and what it has left on the log is compared with a replay of ticks and
// journal through a fresh core, and with a recount by other code. The step, the
// encodings and the snapshots are the real ones of pipeline/core and
// pipeline/wire; the order of writes, the restore and the broker are models,
// because the real ones are goroutines around a client.
//
// Logs are only appended to, so what the comparison at the end says about them
// holds for every moment before. What may be wrong for a moment is checked when
// it happens: the view after every call, the checkpoint, the journal and the
// offset of the group at every restore, and that no client goes back.
//
// It proves the protocol, not its implementation: whether pipeline and
// pipeline/kafka do what is modelled here is shown by the simulation and by the
// beds with real servers. Nothing imports this package.
package schedule
