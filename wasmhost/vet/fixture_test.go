package vet

import (
	"fmt"
	"testing"
	"time"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// Offsets in KlCfg and KlBar, as the ABI writes them.
const (
	cfgCount  = 4
	cfgParams = 8
	barVolume = 40
	barClose  = 32
	barFlags  = 60
)

// document is the manifest of the fixture: a sum with one parameter.
func document(extra string) string {
	return `{"abi":1,"name":"fixture","version":"1.0.0","indicators":[{"id":0,"name":"total","input":"src","warmup":2147483647,` + extra + `
	 "params":[{"name":"period","type":"int","default":20,"min":1,"max":100}],"outputs":[{"name":"value"}]}]}`
}

// param loads the parameter of the configuration at local 0.
func param() []byte { return Join(Get(0), Load(0x28, cfgParams), Load(0x2b, 0)) }

// checked returns an error unless the configuration is of indicator 0 with a
// whole parameter from 1 to 100.
func checked() []byte {
	return Join(
		Get(0), Load(0x28, 0), If(I32(-1), Op(Return)),
		Get(0), Load(0x28, cfgCount), I32(1), Op(0x47), If(I32(-2), Op(Return)),
		param(), F64(1), Op(0x66, 0x45), If(I32(-2), Op(Return)), // not >= 1, which NaN is not either
		param(), F64(100), Op(0x65, 0x45), If(I32(-2), Op(Return)),
		param(), param(), Op(0x9d), Op(0x62), If(I32(-2), Op(Return)))
}

// fixture is a module that keeps all rules, with one thing changed.
func fixture(change func(m *Module)) []byte {
	m := Indicator()
	m.Func("kl_state_size").Code = Join(checked(), I32(16))
	m.Func("kl_init").Code = Join(checked(), m.Func("kl_init").Code)
	describe(m, document(""))
	if change != nil {
		change(m)
	}
	return m.Bytes()
}

// describe gives a module a manifest.
func describe(m *Module, doc string) {
	m.Data[0].Bytes = []byte(doc)
	m.Func("kl_describe").Code = I64(1024<<32 | int64(len(doc)))
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
