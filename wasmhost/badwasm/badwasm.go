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

import (
	"iter"
	"slices"
	"strings"
)

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

// part makes the attacks of some rows.
type part struct {
	rows string
	make func(yield func(Attack) bool) bool
}

func parts() []part {
	return []part{
		{"W01", damaged}, {"W02 W03", bombs}, {"W04 W05 W06 W07 W08 W09 W10 W11 W12 W13 W14 W15", heavy}, {"W16 W17", limits},
		{"W18 W19", foreign}, {"W20", features}, {"W21 W21b", counters}, {"W22", malformed}, {"W24", disguised}, {"W25", manifests},
		{"W30 W31 W32", endless}, {"W33", deep}, {"W34 W39 W43 W44 W45 W49", sly}, {"W35", stubs}, {"W36 W46", memory}, {"W37", traps}, {"W41 W42", answers},
	}
}

// Rows lists the rows of the catalogue that have modules.
func Rows() []string {
	var out []string
	for _, p := range parts() {
		out = append(out, strings.Fields(p.rows)...)
	}
	return out
}

// Catalogue makes the attacks of some rows, or of all, always the same in the
// same order.
func Catalogue(rows ...string) iter.Seq[Attack] {
	wanted := func(row string) bool { return len(rows) == 0 || slices.Contains(rows, row) }
	return func(yield func(Attack) bool) {
		for _, p := range parts() {
			if !slices.ContainsFunc(strings.Fields(p.rows), wanted) {
				continue
			}
			if !p.make(func(a Attack) bool { return !wanted(a.Row) || yield(a) }) {
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
