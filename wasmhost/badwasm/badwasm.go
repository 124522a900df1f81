// Package badwasm makes WebAssembly modules that attack: the ones of a
// catalogue, each with the verdict that is expected of a host, and for the
// tests of others well-formed modules of any shape. All of them are generated
// by code; nothing in it is a file that was found elsewhere.
//
// The central type is [Attack], one module with its row of the catalogue and
// its [Verdict]. [Catalogue] makes them one after the other, because some have
// megabytes. Most attacks are an [Indicator] with one thing wrong, so that
// nothing else can be the reason of a refusal; a [Module] is encoded as it
// stands, right or wrong.
//
// The package judges nothing itself and knows neither the guard nor a runtime:
// its expectations are what the catalogue says, not what the code does.
package badwasm

import "iter"

// Verdict is what must happen to a module.
type Verdict string

// The verdicts.
const (
	Refused  Verdict = "refused"  // by the guard, before anything is compiled
	Harmless Verdict = "harmless" // it passes, runs, and does nothing bad
	Fuel     Verdict = "fuel"     // it passes and is ended when its fuel is used up
	Stack    Verdict = "stack"    // it passes and is ended when its stack is used up
	Trap     Verdict = "trap"     // it passes and is ended by an instruction
	Broken   Verdict = "broken"   // it passes, and the host refuses what it answers
	Vetted   Verdict = "vetted"   // it passes and runs; conformance checks refuse it, or a watchdog sees it live
	Survives Verdict = "survives" // refused or not, it has no effect
)

// Attack is one module of the catalogue.
type Attack struct {
	Row    string // of the catalogue, as W05
	Name   string // unique
	Bytes  []byte
	Want   Verdict
	Code   string // of the finding, with Refused; empty: any
	Export string // with a verdict about a run: the export that does it
}

// Catalogue makes all attacks, always the same in the same order.
func Catalogue() iter.Seq[Attack] {
	parts := []func(yield func(Attack) bool) bool{
		damaged, bombs, heavy, limits, foreign, features, counters, malformed, disguised, endless, deep, stubs, memory, traps, answers, manifests, sly,
	}
	return func(yield func(Attack) bool) {
		for _, part := range parts {
			if !part(yield) {
				return
			}
		}
	}
}

// refused gives all attacks of a list to yield.
func refused(yield func(Attack) bool, list ...Attack) bool {
	for _, a := range list {
		if a.Want == "" {
			a.Want = Refused
		}
		if !yield(a) {
			return false
		}
	}
	return true
}
