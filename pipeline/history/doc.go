// Package history writes what stands on the engine's topics into databases:
// raw trades of the input and final klines with every revision.
//
// The central type is Follower, one per configured database. It runs one loop
// per stream (trades, klines): the loop asks the database how far it has come,
// follows the topic from there, collects rows for a moment and hands them over
// as one Batch with the positions behind them. The database's own position is
// the truth; nothing is committed to Kafka. Whatever fails ends the loop's turn,
// and after a pause the next turn begins again at the database's position, so
// that a lost answer, a restart and a second follower are all the same case.
//
// It never stops the engine and keeps no file: while a database is away the
// topic is the buffer, and what waits in memory is one batch. It computes
// nothing, and it does not judge trades: what the engine refuses and can be read
// is stored, what cannot be read is in the dead-letter topic already.
package history
