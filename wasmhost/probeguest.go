package wasmhost

import (
	"github.com/tetratelabs/wazero/api"
)

// Budgets of single calls in units of fuel, as a host sets them for a module
// of others. See also [ProbeFuel].
const (
	FuelUploadBar   = 800_000    // one kl_update
	FuelUploadBatch = 10_000_000 // one kl_update_batch, however many bars it has
	FuelBuiltinBar  = fuelBar    // one kl_update of a module that the program brings
)

// ProbeFuel is the budget of a call that is no update.
func ProbeFuel(export string) int64 { return fuelOf(export) }

// ProbeTrap is the end of a call by a trap. The instance is undefined
// afterwards, except that its memory can be read.
type ProbeTrap struct { //nolint:errname // a trap is what it is
	Fault Fault
	Text  string // escaped and cut
}

// Error returns the text.
func (t *ProbeTrap) Error() string { return t.Text }

// ProbeGuest is one instance of a [Probe].
type ProbeGuest struct {
	g         *guest
	functions map[string]*probeFunction
	last      string // name of the function below: most calls are of the same
	fn        *probeFunction
	used      int64
}

// probeFunction is a looked-up export; the lookup costs 10 KiB.
type probeFunction struct{ fn api.Function }

// Has tells whether the module exports the function.
func (p *ProbeGuest) Has(export string) bool { return p.function(export).fn != nil }

func (p *ProbeGuest) function(export string) *probeFunction {
	f := p.functions[export]
	if f == nil {
		f = &probeFunction{p.g.mod.ExportedFunction(export)}
		p.functions[export] = f
	}
	return f
}

// Call runs an export of the module, which must have it, with a budget of
// fuel, and returns its result or 0. An error is always a [*ProbeTrap]; a call
// after one is refused with the same.
func (p *ProbeGuest) Call(export string, fuel int64, args ...uint64) (uint64, error) {
	g, f := p.g, p.fn
	if export != p.last || f == nil {
		f = p.function(export)
		p.last, p.fn = export, f
	}
	copy(g.stack[:], args)
	if err := g.run(f.fn, fuel); err != nil {
		p.used = fuel
		trap := err.(*trapError) //nolint:errorlint,forcetypeassert // guest.run returns nothing else
		return 0, &ProbeTrap{trap.fault, trap.text}
	}
	p.used = fuel - g.meter.left()
	return g.stack[0], nil
}

// Used is the fuel of the last call.
func (p *ProbeGuest) Used() int64 { return p.used }

// Memory is a view of the whole linear memory, valid until the next call that
// grows it.
func (p *ProbeGuest) Memory() []byte { return p.g.view }

// Limit is the number of bytes that the memory can grow to.
func (p *ProbeGuest) Limit() uint64 { return p.g.limit }

// Growths counts how often the memory grew in calls since the start.
func (p *ProbeGuest) Growths() uint64 { return p.g.count.growths }

// SystemCalls counts the calls of system functions since the start.
func (p *ProbeGuest) SystemCalls() uint64 { return p.g.console.calls }

// Close releases the instance and its memory.
func (p *ProbeGuest) Close() { p.g.close() }
