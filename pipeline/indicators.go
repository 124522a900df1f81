package pipeline

import (
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// NeverStable is the warm-up of an instance whose values depend on the start of
// the series for ever (OBV, VWAP without an anchor).
const NeverStable = 2147483647

// ErrIncompatibleState is returned by Indicators.Load for a state that another
// version of the module wrote and this one cannot use. The caller computes the
// instance anew from the bars it has.
var ErrIncompatibleState = errors.New("state belongs to another version of the module")

// Instance is one configured indicator: a name, a set of parameters, a source.
type Instance struct {
	// Name is the canonical expression, for example "macd(12,26,9)".
	Name string
	// Outputs are the names of the values in manifest order, without the
	// output "degenerate", which arrives as a flag.
	Outputs []string
	// Version is the first 8 hex digits of the module's SHA-256.
	Version string
	// Module is the name of the module that holds the indicator.
	Module string
	// Profile is the parity profile, "talib" unless chosen otherwise.
	Profile string
	// Warmup is the number of bars after which a value counts as stable;
	// NeverStable means that none does.
	Warmup int64
}

// Slot names the state of one instance on one series, as the host numbers it.
type Slot uint64

// Job is one bar for one slot. Closed bars advance the slot; a preview runs on
// a copy and changes nothing.
type Job struct {
	Slot    Slot
	Bar     core.Bar
	Preview bool
	// Out receives the values, one per output of the instance; NaN = none.
	Out []float64
	// Code is the result: 0 warming up, 1 ready, below 0 an error.
	Code int32
	// Degenerate tells that a denominator of this bar was zero.
	Degenerate bool
}

// Indicators runs indicator modules for the workers. Each partition's calls
// come from its own worker, one at a time. An error from Apply, Save or Load
// other than ErrIncompatibleState means that the host cannot go on.
type Indicators interface {
	// Instances are the configured instances, in the order of their values
	// in every record.
	Instances() []Instance
	// Open makes the state of instance i for a series of partition p whose
	// bars last intervalMS milliseconds.
	Open(p int32, i int, intervalMS int64) (Slot, error)
	// Close gives the slot back.
	Close(p int32, s Slot)
	// Apply runs the jobs; bars of one slot keep their order.
	Apply(p int32, jobs []Job) error
	// Save appends the slot's state to dst as a snapshot record: self-checking
	// and naming module, version and parameters. lastOpen is the open time of
	// the last closed bar in the state (ms), n the bars since the seed.
	Save(p int32, s Slot, lastOpen, n int64, dst []byte) ([]byte, error)
	// Load replaces the slot's state by a snapshot record.
	Load(p int32, s Slot, record []byte) (lastOpen, n int64, err error)
	// State appends the slot's bare bytes to dst.
	State(p int32, s Slot, dst []byte) ([]byte, error)
	// SetState writes bare bytes that State gave for the same instance.
	SetState(p int32, s Slot, state []byte) error
}
