package serve

import (
	"context"
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Computer computes instances that nobody configured: of the built-in module
// with other parameters, and of modules that were uploaded. What it computes
// goes to readers only; it never runs on the way to the log.
//
// Its methods may be called from any goroutine.
type Computer interface {
	// Turns reads an expression as a request writes it and returns who computes
	// the instance that it means, ascending by From, at least one of them with a
	// Program. The error is fit for the client, unless it is ErrUnavailable; an
	// *ArgumentError says that the parameters are at fault. It ends with ctx, with
	// ErrUnavailable.
	Turns(ctx context.Context, text string) ([]Turn, error)
}

// errNoTurns: a Computer has answered without a program.
var errNoTurns = errors.New("no version of the module computes the indicator")

// turnsOf asks a Computer, and wants a program among the turns.
func turnsOf(ctx context.Context, c Computer, text string) ([]Turn, error) {
	turns, err := c.Turns(ctx, text)
	if err == nil && metaOfTurns(turns) == nil {
		err = errNoTurns
	}
	return turns, err
}

// Turn is a program and the first bars that are its own. They are the next
// turn's from its first bar on; the first turn also has all bars before From.
type Turn struct {
	// From is an open time, ms UTC.
	From int64
	// Key tells programs apart: with the same Key they compute the same.
	Key string
	// Program is nil where the instance has no values; Err says why.
	Program Program
	Err     error
}

// ErrUnavailable is wrapped by errors of a Computer that cannot compute at all
// now. Their text is for the operator.
var ErrUnavailable = errors.New("indicators cannot be computed on demand")

// ArgumentError says that an expression names an indicator that there is, with
// parameters that it does not take.
type ArgumentError struct{ Err error }

// Error is the text of Err: a sentence for the client.
func (e *ArgumentError) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e *ArgumentError) Unwrap() error { return e.Err }

// Program is an instance that can be computed. It never changes; what it is
// replaced by, when its module gets another version, is another Program of the
// same name.
type Program interface {
	// Meta describes the instance. Name is the same for every spelling.
	Meta() *InstanceMeta
	// Start makes the state of the instance on one series whose bars last
	// intervalMS milliseconds, as before the first bar.
	Start(intervalMS int64) (Cursor, error)
}

// Cursor is a program on one series. Its methods may be called from any
// goroutine, the order of two calls is the caller's business.
type Cursor interface {
	// Run consumes closed bars in order. Row i of out, with one number per
	// output, receives the values of bar i, NaN for none, and flags[i] whether a
	// denominator of bar i was zero. The error says that the module failed on
	// this series: it has no values from bar n on.
	Run(bars []core.Bar, out []float64, flags []bool) (n int, err error)
	// Preview computes a bar in progress and changes nothing.
	Preview(bar core.Bar, out []float64) (degenerate bool, err error)
	// Close ends the state. Other methods fail afterwards.
	Close()
}

// Faults is implemented by a Computer that wants to know when a program fails
// on a series; err is that of its Cursor.
type Faults interface {
	Fault(p Program, symbol, interval string, err error)
}
