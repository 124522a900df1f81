// Package indicators holds the built-in indicators of caddy-kline: SMA, EMA,
// WMA, VWAP, BBANDS, RSI, MACD, STOCH, KDJ, ATR and OBV. The package guest
// below compiles it into builtin.wasm, which runs behind the same ABI, guard
// and limits as every uploaded module; natively it is the oracle that tests
// compare the wasm module with, bit for bit.
//
// The central thing is the state slot: flat bytes, one fixed struct with its
// windows behind it, no pointer inside. StateSize tells how long it is, Init
// writes every byte of it, Update folds one bar into it and writes one output
// row. Between two calls a slot may be copied, moved, stored and restored; a
// preview of a forming bar is an ordinary Update on a copy.
//
// The package does not choose bars: it knows no interval arithmetic, no gap
// filling, no chaining and no late corrections; its caller feeds finite values
// in order. The update path keeps to a small subset of Go (no allocation, no
// closures, no package state, explicit rounding of every product that meets a
// sum), so that every processor and compiler yields the same bits; a test
// walks the syntax tree and enforces it.
package indicators
