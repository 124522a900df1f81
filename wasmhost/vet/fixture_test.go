package vet

import (
	"fmt"
	"testing"
	"time"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// Offsets in KlBar, as the ABI writes them.
const (
	barVolume = 40
	barClose  = 32
	barFlags  = 60
)

// fixture is a module that keeps all rules, with one thing changed.
func fixture(change func(m *Module)) []byte {
	m := Conforming()
	if change != nil {
		change(m)
	}
	return m.Bytes()
}

// first puts code in front of an export.
func first(export string, code ...[]byte) func(*Module) {
	return func(m *Module) { f := m.Func(export); f.Code = Join(Join(code...), f.Code) }
}

// instead replaces the code of an export.
func instead(export string, code ...[]byte) func(*Module) {
	return func(m *Module) { m.Func(export).Code = Join(code...) }
}

// global adds a global, number 1, and code in front of the update.
func global(kind byte, init []byte, code ...[]byte) func(*Module) {
	return func(m *Module) {
		m.Globals = append(m.Globals, Global{Type: kind, Mutable: true, Init: init})
		first("kl_update", code...)(m)
	}
}

func run(t *testing.T, module []byte, o Options) *Report {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	r, err := Run(t.Context(), module, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// has looks for a finding.
func has(r *Report, check string, code Code, sev Severity) bool {
	for _, f := range r.Findings {
		if f.Check == check && f.Code == code && f.Severity == sev {
			return true
		}
	}
	return false
}

func list(r *Report) string {
	s := ""
	for _, f := range r.Findings {
		s += fmt.Sprintf("\n  %s", f)
	}
	return s
}
