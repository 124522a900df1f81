package indicators

import "math"

// Results of Init, Update, StateSize and Warmup. Every other negative value is
// reserved.
const (
	Warming int32 = 0 // Update: no output is due yet
	Ready   int32 = 1 // Update: at least one output is due on this bar

	ErrUnknown int32 = -1 // the id names no built-in indicator
	ErrParams  int32 = -2 // a parameter is missing, out of range or of the wrong kind
	ErrState   int32 = -3 // the state is absent, too short, misaligned or another indicator's
	ErrInput   int32 = -4 // the bar or the output row is absent or too short
)

// null is the bit pattern for "no value". math.NaN has another payload, and
// the outputs are compared as bits.
func null() float64 { return math.Float64frombits(0x7ff8000000000000) }

// truth is a condition as an output value.
func truth(set bool) float64 {
	if set {
		return 1
	}
	return 0
}
