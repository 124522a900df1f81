package wasmhost

import (
	"errors"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

func TestProbeRunsRawCallsAndGivesMemoryBack(t *testing.T) {
	p, err := NewProbe(t.Context(), badwasm.Indicator().Bytes(), ProbeConfig{Limits: guard.Untrusted()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	at, err := g.Call("kl_alloc", 100_000, 1<<20)
	if err != nil || at == 0 || g.Used() <= 0 || g.Used() >= 100_000 {
		t.Errorf("kl_alloc: %#x, %v, %d units", at, err, g.Used())
	}
	if g.Growths() == 0 || p.Memory() != int64(len(g.Memory())) || g.Limit() != 256*pageSize {
		t.Errorf("%d growths, %d bytes of %d, limit %d", g.Growths(), p.Memory(), len(g.Memory()), g.Limit())
	}
	if g.Has("kl_warmup") || !g.Has("kl_update") {
		t.Error("exports are mistaken")
	}
	var trap *ProbeTrap
	if _, err := g.Call("kl_alloc", 3, 1<<20); !errors.As(err, &trap) || trap.Fault != FaultFuel {
		t.Errorf("on 3 units: %v", err)
	}
	if _, err := g.Call("kl_abi", 5000); !errors.As(err, &trap) {
		t.Errorf("a call after a trap: %v", err)
	}
	g.Close()
	if p.Memory() != 0 {
		t.Errorf("%d bytes are left", p.Memory())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestProbeTellsWhereAModuleFailed(t *testing.T) {
	cfg := ProbeConfig{Limits: guard.Untrusted()}
	var refusal *guard.Finding
	if _, err := NewProbe(t.Context(), []byte("hello"), cfg); !errors.As(err, &refusal) || refusal.Code != guard.CodeNotWASM {
		t.Errorf("no module: %v", err)
	}
	m := badwasm.Indicator()
	m.Funcs = append(m.Funcs, badwasm.Func{Code: badwasm.Op(badwasm.Unreachable)})
	m.Start = len(m.Funcs)
	p, err := NewProbe(t.Context(), m.Bytes(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(); !errors.Is(err, ErrProbeStart) || p.Memory() != 0 {
		t.Errorf("a start section that traps: %v, %d bytes are left", err, p.Memory())
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
