// Package guard decides which WebAssembly modules may run, and makes those
// that may harmless. A runtime that compiles to native code trusts the counts
// it reads and cannot interrupt what it runs; so the bytes of a module are
// read here first, by a parser that believes nothing, and rewritten so that
// every path through the code pays fuel and every frame pays stack.
//
// The central function is [Instrument]. It reads a module whole, checks its
// structure, its types and its limits ([Limits]), compares its imports and
// exports with a [Surface], and only then writes a new module: the old one
// with two more globals, [FuelGlobal] and [StackGlobal], with code that
// charges them at every function entry and every loop, and with shims for the
// instructions whose cost depends on an operand. The same bytes give the same
// bytes, and a module without fuel stops at the same instruction everywhere.
// What is refused is refused with a [Finding].
//
// The package knows no runtime and starts no goroutine. It does not bound what
// an import of the module does: imports must pay for themselves through the
// exported fuel. It does not judge what a module computes.
package guard

import "fmt"

const (
	// FuelGlobal is the export with the fuel that is left, a mutable i64. The
	// host sets it before each call; below 0 the module traps.
	FuelGlobal = "__kl_fuel"

	// StackGlobal is the export with the bytes of native stack that are left, a
	// mutable i64. It is balanced except after a trap.
	StackGlobal = "__kl_stack"

	// reservedPrefix begins the names that only the guard gives.
	reservedPrefix = "__kl_"

	// Version names the instrumentation: prices, weights and inserted code. It
	// is part of every cache key, and fuel counts of different versions do not
	// compare.
	Version = "kl1-guard-1"
)

// Info is what Instrument learned of a module.
type Info struct {
	Types        int
	Imports      []string // module.name, in the order of the file
	Functions    int      // own ones, without imports
	Globals      int
	Exports      int
	TableSize    int // entries
	DataSegments int
	MinPages     int // of 64 KiB, as declared
	MaxPages     int // of 64 KiB, as written into the module
	CodeBytes    int
	Control      int // block, loop, if, else, br_if
	Loops        int
	Branches     int // targets of branch tables
	MaxNesting   int
	MaxLocals    int // with parameters, of one function
	MaxBody      int // bytes
	MaxWeight    int // bytes of the heaviest frame
}

// Instrument checks a module against the rules and returns it with fuel and
// stack counters. The error is always a [*Finding]. The input is not changed
// and not kept. What is allocated stays below 20 times the input plus 4 MiB, and nothing
// is written before the last check has passed.
func Instrument(wasm []byte, rules Rules) (out []byte, info Info, err error) {
	// No bound relies on this: a panic is a bug of the guard. But the bytes are
	// foreign, and the process is not theirs to end.
	defer func() {
		if p := recover(); p != nil {
			out, info, err = nil, Info{}, &Finding{
				Code: CodeInternal, Section: "module",
				Message: fmt.Sprintf("the guard failed on this module, which is a bug of the host: %v", p),
			}
		}
	}()
	m := &module{rules: rules, in: wasm}
	if f := m.parse(); f != nil {
		return nil, Info{}, f
	}
	return m.rewrite(), m.info, nil
}
