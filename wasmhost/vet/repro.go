package vet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// Repro is one update that went wrong in a host, whole: what is needed to do
// it again.
type Repro struct {
	SHA256     string       `json:"sha256"`     // hexadecimal, of the module
	Expression string       `json:"expression"` // the indicator with its parameters
	IntervalMS int64        `json:"interval_ms"`
	State      []byte       `json:"state"` // before the update
	Bar        wasmhost.Bar `json:"bar"`
	Fault      string       `json:"fault"` // what was seen: the word of a wasmhost.Fault, or error
	Text       string       `json:"text"`
}

// MakeRepro is the repro of a case that a host has kept.
func MakeRepro(c *wasmhost.Case, fault wasmhost.Fault, text string) *Repro {
	return &Repro{
		SHA256: hex.EncodeToString(c.Instance.Module.SHA256[:]), Expression: c.Instance.Name, IntervalMS: c.IntervalMS,
		State: c.State, Bar: c.Bar, Fault: fault.String(), Text: text,
	}
}

// Replayed is what a repro did now.
type Replayed struct {
	Outputs []float64 // if it did not fail
	Fault   string    // likewise; empty if it did not fail
	Text    string
}

// Same tells whether the fault is the one that was stored.
func (r *Replayed) Same(stored *Repro) bool { return r.Fault != "" && r.Fault == stored.Fault }

// faultOf is the word of a host for a fault of an update.
func faultOf(f *fault) string {
	switch f.code { //nolint:exhaustive // all others are answers of the module
	case CodeFuel:
		return wasmhost.FaultFuel.String()
	case CodeStack:
		return wasmhost.FaultStack.String()
	case CodePanic:
		return wasmhost.FaultPanic.String()
	case CodeTrap:
		return wasmhost.FaultTrap.String()
	}
	return "error"
}

// trespass is the fault of an update that came back, but did what a host does
// not allow an upload; nil for none.
func (v *vetter) trespass() *Replayed {
	for _, kind := range []struct {
		code  Code
		fault wasmhost.Fault
	}{{CodeSystem, wasmhost.FaultSystem}, {CodeGrew, wasmhost.FaultGrowth}} {
		for i := range v.report.Findings {
			if f := &v.report.Findings[i]; f.Code == kind.code {
				return &Replayed{Fault: kind.fault.String(), Text: f.Message}
			}
		}
	}
	return nil
}

// DecodeRepro reads the file of a repro.
func DecodeRepro(file []byte) (*Repro, error) {
	var r Repro
	if err := json.Unmarshal(file, &r); err != nil {
		return nil, fmt.Errorf("reading a repro: %w", err)
	}
	if r.SHA256 == "" || r.Expression == "" || len(r.State) == 0 {
		return nil, errors.New("reading a repro: sha256, expression or state is missing")
	}
	return &r, nil
}

// Replay does the update of a repro again, with the fuel of a node, on an
// instance that has seen nothing else: a fault that needs what earlier updates
// left outside of the state does not come again, and a module may keep nothing
// there. The error is about the repro, not about the module.
func Replay(ctx context.Context, module []byte, repro *Repro, o Options) (*Replayed, error) {
	if sum := sha256.Sum256(module); hex.EncodeToString(sum[:]) != repro.SHA256 {
		return nil, fmt.Errorf("replaying: the repro is of module sha256:%.8s, this is sha256:%x", repro.SHA256, sum[:4])
	}
	v := &vetter{ctx: ctx, opt: o, report: &Report{}, module: module}
	v.configure()
	defer v.close()
	if err := v.open(); err != nil {
		return nil, fmt.Errorf("replaying: %w", err)
	}
	choice, err := v.doc.Choose(repro.Expression)
	if err != nil {
		return nil, fmt.Errorf("replaying: %w", err)
	}
	s := newSubject(choice.Indicator, choice.Params)
	s.price, s.size = choice.Source, len(repro.State)
	if s.size > wasmhost.MaxState {
		return nil, fmt.Errorf("replaying: a state of %d bytes, allowed are %d", s.size, wasmhost.MaxState)
	}
	r, err := v.rig()
	if err != nil {
		return nil, fmt.Errorf("replaying: %w", err)
	}
	at := r.room(uint32(s.size))
	copy(r.view(at, uint32(s.size)), repro.State)
	v.terse = true
	row, err := r.update(s, at, &repro.Bar, true, 1, nil)
	if f, ok := errors.AsType[*fault](err); ok {
		return &Replayed{Fault: faultOf(f), Text: f.text}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("replaying: %w", err)
	}
	if f := v.trespass(); f != nil {
		return f, nil
	}
	return &Replayed{Outputs: floats(row, s.outputs)}, nil
}
