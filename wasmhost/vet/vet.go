// Package vet examines an indicator module from outside: whether it keeps the
// rules that a host relies on and cannot enforce. A module that keeps a
// pointer in its state, forgets a byte of it or counts calls in a global gives
// plausible numbers until a slot is moved, a node fails over or a preview is
// asked for; here all of that happens on purpose, and outputs are compared bit
// for bit.
//
// The central function is [Run]. It takes bytes, which need not be a module,
// and gives a [Report] with everything that is wrong as a list of [Finding],
// each with a stable [Code] that [Codes] explains. A module is compiled once;
// all checks, V1 to V20, run on instances of that, with bars that this package
// makes itself. The same bytes give the same findings on every machine, with
// one exception that says so ([CodeSlow]).
//
// The package does not judge whether the numbers of an indicator are right:
// a golden file of the author does. It starts no goroutine, writes no file and
// keeps nothing after Run has returned.
package vet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// Reserved is the name of the module that the program brings, which no other may have.
const Reserved = "builtin"

// Options say how to examine. The zero value examines an upload.
type Options struct {
	// Builtin takes the limits of modules that the program brings instead of
	// those of uploads: more memory, more fuel for a bar, a longer manifest.
	Builtin bool

	// MaxMemory is the memory of one instance in bytes. Default: that of the
	// profile, 16 MiB for uploads.
	MaxMemory int64

	// Previous is the version before this one, for V19. Default: none, nil.
	Previous []byte

	// Golden is a golden file, for V20; an empty one is wrong. Default: none, nil.
	Golden []byte

	// Soak repeats V5, V13 and V14 over a million bars of each indicator:
	// seconds to minutes.
	Soak bool

	// CacheDir holds compiled code, as in wasmhost.Config, of the previous version:
	// it was loaded before, or will be. The module that is examined leaves nothing
	// there: who is refused could fill the disk. Default: none.
	CacheDir string

	// Now is the clock that measures. Without it the report has no times, and
	// nothing but the fuel of each call bounds how long the checks take.
	Now func() time.Time

	// Timeout bounds all checks together, measured by Now: a module that takes
	// longer gets the finding CodeSlow. Default: 10 s, without bound with Soak.
	Timeout time.Duration
}

// defaultTimeout is far from what honest modules take: two seconds for one of
// Go with twenty indicators.
const defaultTimeout = 10 * time.Second

// Run examines a module. What is wrong with it stands in the report; the error
// is about this program, the machine ([ErrBusy]) or the end of ctx.
func Run(ctx context.Context, module []byte, o Options) (*Report, error) {
	sum := sha256.Sum256(module)
	v := &vetter{ctx: ctx, opt: o, report: &Report{SHA256: hex.EncodeToString(sum[:]), Bytes: len(module), Findings: []Finding{}}}
	v.configure()
	defer v.close()
	err := v.examine(module)
	switch {
	case errors.Is(err, errSlow):
		v.found(nil, "", CodeSlow, 0, 0, "%v", err)
	case err != nil:
		return nil, fmt.Errorf("vetting a module: %w", err)
	}
	// The same order for everybody: what refuses the module comes first.
	slices.SortStableFunc(v.report.Findings, func(a, b Finding) int {
		return cmp.Compare(a.Severity, b.Severity) // error, warning
	})
	return v.report, nil
}

// ErrBusy means that the machine had no time for the checks. It says nothing
// about the module: the caller may try again.
var ErrBusy = errors.New("the machine is too busy")

// errSlow ends an examination that takes too long.
var errSlow = errors.New("the module is slow")

const (
	// slowBar is the mean time of a bar from which a node calls a module slow.
	slowBar = 2 * time.Millisecond

	// fuelOfSecond is less fuel than any module uses in a second of its own: the
	// slowest instructions take 6 ns a unit. A module that has used less is not
	// what took the time, the machine is busy.
	fuelOfSecond = 100_000_000

	// patience is how many times Timeout a busy machine may take.
	patience = 10
)

// vetter is one examination.
type vetter struct {
	ctx      context.Context //nolint:containedctx // it lives as long as one call of Run
	opt      Options
	limits   guard.Limits
	barFuel  int64
	manifest uint64 // limit in bytes
	report   *Report
	began    time.Time
	calls    uint
	terse    bool  // an update out of fuel is not done again for its words
	fuel     int64 // that all calls have used

	probe    *wasmhost.Probe
	interp   *wasmhost.Probe
	main     *rig    // nil after a fault
	slow     *rig    // of the interpreter
	old      *vetter // of the previous version
	doc      *wasmhost.Manifest
	module   []byte
	subjects map[string][]*subject // by indicator; the defaults first
	market   []wasmhost.Bar        // bars of all checks
	other    []wasmhost.Bar        // of the series beside
}

func (v *vetter) configure() {
	v.limits, v.barFuel, v.manifest = guard.Untrusted(), wasmhost.FuelUploadBar, wasmhost.UploadText
	if v.opt.Builtin {
		v.limits, v.barFuel, v.manifest = guard.Builtin(), wasmhost.FuelBuiltinBar, wasmhost.ManifestSize
	}
	if v.opt.MaxMemory > 0 {
		v.limits.Pages = int(v.opt.MaxMemory >> 16)
	}
	if v.opt.Timeout == 0 && !v.opt.Soak {
		v.opt.Timeout = defaultTimeout
	}
	v.began = v.now()
	v.subjects = map[string][]*subject{}
	v.market, v.other = walk(1, marketBars), walk(2, 4096)
}

// now is zero without a clock.
func (v *vetter) now() time.Time {
	if v.opt.Now == nil {
		return time.Time{}
	}
	return v.opt.Now()
}

// alive tells whether the examination has to end, before a call whose budget
// is milliseconds.
func (v *vetter) alive() error {
	if err := v.ctx.Err(); err != nil {
		return err
	}
	if v.opt.Timeout == 0 || v.opt.Now == nil {
		return nil
	}
	switch took := v.now().Sub(v.began); {
	case took > v.opt.Timeout && v.its(took):
		return fmt.Errorf("%w: all checks together took longer than %v", errSlow, v.opt.Timeout)
	case took > patience*v.opt.Timeout:
		return fmt.Errorf("%w: %v are over, and the module has used %d units of fuel", ErrBusy, took.Round(time.Second), v.fuel)
	}
	return nil
}

// its tells whether the module can have taken so much of this time.
func (v *vetter) its(took time.Duration) bool {
	return float64(v.fuel) > min(took, v.opt.Timeout).Seconds()*fuelOfSecond
}

// often is alive before calls that are many and short.
func (v *vetter) often() error {
	if v.calls++; v.calls%64 != 0 {
		return nil
	}
	return v.alive()
}

func (v *vetter) close() {
	if v.old != nil {
		v.old.close()
	}
	for _, r := range []*rig{v.main, v.slow} {
		if r != nil {
			r.close()
		}
	}
	for _, p := range []*wasmhost.Probe{v.probe, v.interp} {
		if p != nil {
			// The error is about files of a cache; the report is not.
			_ = p.Close()
		}
	}
}

// examine runs stage by stage; each can only end the examination.
func (v *vetter) examine(module []byte) error {
	v.module = module
	if ok, err := v.compile(); !ok {
		return err
	}
	if ok, err := v.introduce(); !ok {
		return err
	}
	if ok, err := v.check(nil, "V16", v.regions); !ok {
		return err
	}
	for _, ind := range v.doc.Indicators {
		if err := v.indicator(ind); err != nil {
			return err
		}
	}
	if err := v.engines(); err != nil {
		return err
	}
	if err := v.previous(); err != nil {
		return err
	}
	return v.golden()
}

// check runs one check and turns a fault into a finding. ok is false if the
// check could not be finished; then the instance is replaced.
func (v *vetter) check(s *subject, id string, run func(*subject) error) (ok bool, err error) {
	err = run(s)
	if err == nil {
		return true, nil
	}
	var f *fault
	if !errors.As(err, &f) {
		return false, err
	}
	if id == "V14" && f.code != CodeFuel {
		id = "V15" // it is not the fuel that the bars were too much for
	}
	v.found(s, id, f.code, f.bar, f.offset, "%s", f.text)
	if v.main != nil {
		v.main.close()
		v.main = nil
	}
	return false, nil
}

// rig is the instance in which most checks run.
func (v *vetter) rig() (*rig, error) {
	if v.main == nil {
		r, err := v.newRig(v.probe, plainRig())
		if err != nil {
			return nil, err
		}
		v.main = r
	}
	v.main.free()
	v.main.manual = false
	return v.main, nil
}

// found adds an error.
func (v *vetter) found(s *subject, id string, code Code, bar, offset int, format string, args ...any) {
	v.add(s, Finding{Check: id, Code: code, Severity: Error, Bar: bar, Offset: offset}, format, args...)
}

// warn adds a warning.
func (v *vetter) warn(s *subject, id string, code Code, bar int, format string, args ...any) {
	v.add(s, Finding{Check: id, Code: code, Severity: Warning, Bar: bar}, format, args...)
}

// add words a finding: what was seen, then what to do. Most come again with
// every bar, and are not worded again.
func (v *vetter) add(s *subject, f Finding, format string, args ...any) {
	if s != nil {
		f.Indicator = s.ind.Name
	}
	if v.report.has(&f) {
		return
	}
	f.Stage, f.Message = StageVet, fmt.Sprintf(format, args...)
	if entry, ok := explain(f.Code); ok {
		f.Stage = entry.Stage
		f.Message += ". " + entry.Remedy
	}
	if s != nil {
		f.Message = s.name() + ": " + f.Message
	}
	v.report.add(f)
}
