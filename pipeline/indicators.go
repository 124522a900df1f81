package pipeline

import (
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// NeverStable is the warm-up of an instance whose values depend on the start of
// the series for ever (OBV, VWAP without an anchor).
const NeverStable = 2147483647

// ErrIncompatibleState is returned by Indicators.Load for a state that another
// version of the module wrote and this one cannot use. The caller computes the
// instance anew from the bars it has.
var ErrIncompatibleState = errors.New("state belongs to another version of the module")

// Instance is one configured indicator: a name, a set of parameters, a source.
type Instance = serve.InstanceMeta

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
	// Keep asks for the slot's bare bytes as they are after this closed bar.
	// They replace State, in its memory if that is large enough. A slot whose
	// module failed gives zeros of the same length.
	Keep  bool
	State []byte
}

// Indicators runs indicator modules for the workers. Each partition's calls
// come from its own worker, one at a time. An error from Apply,
// State or SetState means that the host cannot go on.
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
	// State appends the slot's bare bytes to dst.
	State(p int32, s Slot, dst []byte) ([]byte, error)
	// SetState writes bare bytes that State gave for the same instance.
	SetState(p int32, s Slot, state []byte) error
	// EncodeState appends a self-checking record of a state of instance i on
	// bars of intervalMS: module, version and parameters, lastOpen (open time
	// in ms of the last closed bar in the state), n (bars since the seed), the
	// bytes.
	EncodeState(dst []byte, i int, intervalMS, lastOpen, n int64, state []byte) []byte
	// DecodeState reads the record at the head of b and returns what follows
	// it. ErrIncompatibleState means that the record is sound, but that its
	// state cannot be used by instance i as it is configured now.
	DecodeState(b []byte, i int, intervalMS int64) (state []byte, lastOpen, n int64, rest []byte, err error)
}
