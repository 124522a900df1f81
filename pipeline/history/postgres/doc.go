// Package postgres keeps raw trades and final klines in PostgreSQL, each once.
//
// The central type is Sink, one per table. Open connects, brings the schema to
// the present version under a lock that all nodes share, and reads the
// positions. Write stores a batch and moves its positions in one transaction:
// COPY into a staging table of the session, INSERT .. ON CONFLICT into the
// table, so that a row that is there already is left alone and every row is
// there if and only if the position is behind it. Trades that did not come lately
// are tried without the staging table first. A row whose content the server refuses
// is found by halving inside of the same transaction.
//
// A sink reads nothing back but positions, keeps no connection pool (one session
// per table is all that one writer needs), and never touches tables of others:
// everything lives in a schema of its own. Reader, with a few sessions of its own
// that can write nothing, answers what readers ask for behind memory.
package postgres
