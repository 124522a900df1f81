// Package compiler turns indicators written in a subset of Go into a small
// WebAssembly module. The Go toolchain brings a runtime of two megabytes with
// it and keeps every function in one loop over a branch table; here a function
// is a function, a local variable a local, and a state is read where it lies.
//
// The subset is what an indicator needs: functions and methods on pointers,
// numbers, structs behind pointers, arrays, slices, loops and switches.
// Closures, interfaces, maps, channels, goroutines, defer and recursion are
// refused with their place. What compiles means the same as under the Go
// toolchain, with these limits: int, uint and uintptr have 32 bits, as on
// other 32-bit platforms; a nil pointer is not caught, it reads what lies at
// address 0; memory of make is never given back; the address of a local
// variable may be passed to calls, and kept in variables that live no longer
// than it, which is checked. What Go leaves open is this here: the order of
// evaluation is from left to right; append makes room for twice the elements
// and one; a double that does not fit an integer becomes the nearest one that
// does, NaN 0.
//
// Floats are exact: every operation is one instruction of WebAssembly, rounded
// once, and nothing is fused. The output depends on the sources alone.
package compiler
