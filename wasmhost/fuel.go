package wasmhost

import (
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// Budgets of one call in units of fuel. They depend on the call alone: equal
// bars fail on all nodes or on none. The comments have what guests of the Go
// toolchain need.
const (
	fuelInitialise = 40_000_000 // _initialize; Go 18 to 24 million
	fuelDescribe   = 10_000_000 // kl_describe; Go with encoding/json 8.2 million
	fuelSetUp      = 5_000_000  // each other call that is no update; Go 1.1 million in kl_alloc
	fuelBar        = 4_000_000  // one bar of a module that the program brings; bbands(5000) needs 1.1 million once in 5,000 bars
	fuelUploadBar  = 800_000    // one bar of an upload: below 5 ms in the worst case
	fuelPiece      = 400_000    // what the bars of one call of an upload shall use, half of what they may

	// A stub pays for itself, because the guard does not see what it does.
	fuelStub     = 1_000
	fuelStubByte = 1
)

// budget is what the updates of a module may use.
type budget struct {
	bar    int64 // units of fuel for one bar
	call   int64 // for one call, however many bars it has; 0: the sum of its bars
	jobs   int   // in one call
	strict bool  // calls of system functions and growths of memory are faults
}

func builtinBudget() budget { return budget{bar: fuelBar, jobs: maxBatch} }

// uploadBudget gives a call of many bars no more than one of a single bar. Bars
// that pass together then pass alone, so that no verdict depends on which others
// were in the call.
func uploadBudget() budget {
	return budget{bar: fuelUploadBar, call: fuelUploadBar, jobs: 1, strict: true}
}

// of is the budget of a call with n bars.
func (b budget) of(n int) int64 {
	if sum := int64(n) * b.bar; b.call == 0 || sum < b.call {
		return sum
	}
	return b.call
}

// fuelOf is the budget of a call of the set-up path.
func fuelOf(name string) int64 {
	switch name {
	case "_initialize":
		return fuelInitialise
	case "kl_describe":
		return fuelDescribe
	default:
		return fuelSetUp
	}
}

// meter is the pair of counters that the guard built into an instance.
type meter struct {
	fuel, stack api.MutableGlobal
}

// errUnguarded would be a module that did not come through the guard.
var errUnguarded = errors.New("the instance has no fuel: it was not guarded")

// meterOf finds the counters of an instance.
func meterOf(mod api.Module) (meter, error) {
	fuel, ok := mod.ExportedGlobal(guard.FuelGlobal).(api.MutableGlobal)
	stack, ok2 := mod.ExportedGlobal(guard.StackGlobal).(api.MutableGlobal)
	if !ok || !ok2 {
		return meter{}, errUnguarded
	}
	return meter{fuel, stack}, nil
}

// left is the fuel that is left, below 0 if the last call ran out.
func (m meter) left() int64 { return int64(m.fuel.Get()) }

// fill sets the fuel of the next call.
func (m meter) fill(budget int64) { m.fuel.Set(uint64(budget)) }

// errNoFuel ends a call from inside of a stub.
var errNoFuel = errors.New("out of fuel")

// take pays from inside of a call, before the stub does what is paid for. The
// guest would see an empty tank only at its next charge, and thousands of
// calls can stand in front of that.
func (m meter) take(n int64) {
	left := m.left() - n
	if m.fuel.Set(uint64(left)); left < 0 {
		panic(errNoFuel)
	}
}

// explain turns the error of a guest call into a trap. The counters tell what
// the text of the runtime does not: running out of either is an unreachable
// for it.
func (m meter) explain(err error, budget int64, said string) *trapError {
	switch {
	case m.left() < 0:
		return &trapError{FaultFuel, fmt.Sprintf("out of fuel: the call used more than %d units", budget)}
	case int64(m.stack.Get()) < 0:
		return &trapError{FaultStack, "out of stack: calls went too deep"}
	case said != "":
		return &trapError{FaultPanic, "guest panic: " + quoted(said)}
	default:
		return &trapError{FaultTrap, "trap: " + firstLine(err).Error()}
	}
}
