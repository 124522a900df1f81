package wasmhost

import (
	"errors"

	"math"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// attacked is what came of an attack: at which export it ended, and how.
type attacked struct {
	at   string
	kind badwasm.Verdict
	err  error
}

// Every module of the catalogue ends as its row says, at the place it says,
// and a built-in on the same host goes on as if nothing had been there: equal
// values, equal memory.
func TestAttacksEndAsTheCatalogueSays(t *testing.T) {
	h, builtin := builtinHost(t, Config{Shards: 1, MaxMemory: 16 << 20})
	h.admit = guarded(16 << 20) // everybody may come in: the guard is what is tested
	other := resolve(t, h, "ema(20)")
	slot := open(t, h.Shard(0), other)
	bars := randomBars(5, 4000)
	want := make([]float64, len(bars))
	reference := open(t, h.Shard(0), other)
	if _, err := h.Shard(0).Backfill(reference, bars, want, nil); err != nil {
		t.Fatal(err)
	}
	used, seen, done, verdicts := h.Memory(), 0, 0, map[badwasm.Verdict]int{}
	for a := range badwasm.Catalogue() {
		if seen++; a.Row == "W16" && len(a.Bytes) > 1<<16 || a.Row == "W01" && seen%17 != 0 {
			continue // a second of compiling each; and the other two thousand are like these
		}
		got := attack(t, h, a)
		verdicts[got.kind]++
		if a.Want == badwasm.Vetted {
			a.Want = badwasm.Harmless // to this host; whoever vets is not here
		}
		if a.Want != badwasm.Survives && (got.kind != a.Want || a.Export != "" && got.at != a.Export && a.Want != badwasm.Harmless) {
			t.Errorf("%s: %s at %q (%v), want %s at %q", a.Name, got.kind, got.at, got.err, a.Want, a.Export)
		}
		job := []Job{{Slot: slot, Bar: &bars[done], Out: make([]float64, 1)}}
		if err := h.Shard(0).Apply(job); err != nil || math.Float64bits(job[0].Out[0]) != math.Float64bits(want[done]) {
			t.Fatalf("after %s the built-in says %v (%v), want %v", a.Name, job[0].Out[0], err, want[done])
		}
		if h.Memory() != used || len(h.Modules()) != 1 || h.Modules()[0] != builtin {
			t.Fatalf("%s left %d bytes, %d modules", a.Name, h.Memory()-used, len(h.Modules()))
		}
		done++
	}
	t.Logf("%d attacks: %v", done, verdicts)
}

// attack loads a module, opens two series, updates one of them alone and both
// together, and removes the module.
func attack(t *testing.T, h *Host, a badwasm.Attack) attacked {
	t.Helper()
	defer remove(t, h)
	if _, err := h.Load(t.Context(), a.Bytes); err != nil {
		return told(a, err)
	}
	s, inst := h.Shard(0), h.Modules()[1].Manifest.Indicators[0].Name
	chosen, err := h.Resolve("attack/" + inst)
	if err != nil {
		return told(a, err)
	}
	var slots [2]Slot
	for i := range slots {
		if slots[i], err = s.Open(chosen, minute); err != nil {
			return told(a, err)
		}
	}
	for _, use := range [][]Slot{slots[:1], slots[:]} {
		jobs := make([]Job, len(use))
		for i := range jobs {
			jobs[i] = Job{Slot: use[i], Bar: new(bar(1, 10, 1)), Out: make([]float64, 1)}
		}
		if err := s.Apply(jobs); err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if v := math.Float64bits(j.Out[0]); (v == 1<<63 || math.IsInf(j.Out[0], 0)) || j.Out[0] != j.Out[0] && v != math.Float64bits(NoValue()) {
				t.Errorf("%s: value %#x got through", a.Name, v)
			}
			if err := s.Failure(j.Slot); err != nil {
				got := told(a, err)
				got.at = []string{"", "kl_update", "kl_update_batch"}[len(use)]
				return got
			}
		}
	}
	return attacked{"", badwasm.Harmless, nil}
}

// told reads place and kind out of an error.
func told(a badwasm.Attack, err error) attacked {
	got := attacked{"", badwasm.Broken, err}
	for _, f := range guard.KL1().Exports {
		if strings.Contains(err.Error(), f.Name+": ") || strings.Contains(err.Error(), f.Name+" ") {
			got.at = f.Name
		}
	}
	for text, at := range map[string]string{"module speaks": "kl_abi", "the manifest": "kl_describe", "the state has": "kl_state_size"} {
		if strings.Contains(err.Error(), text) {
			got.at = at
		}
	}
	var finding *guard.Finding
	var trap *trapError
	var slot *SlotError
	fault := FaultNone
	switch {
	case errors.As(err, &finding):
		got.kind = badwasm.Refused
	case errors.As(err, &trap):
		fault = trap.fault
	case errors.As(err, &slot):
		fault = slot.Fault
	case got.at == "" && strings.Contains(err.Error(), "starting an instance: "):
		// The start section ran before there was an instance to ask.
		got.at, got.kind = "start", a.Want
	}
	if fault != FaultNone {
		got.kind = map[Fault]badwasm.Verdict{FaultFuel: badwasm.Fuel, FaultStack: badwasm.Stack, FaultTrap: badwasm.Trap, FaultPanic: badwasm.Trap}[fault]
	}
	return got
}

// remove takes all modules but the first off a host.
func remove(t *testing.T, h *Host) {
	t.Helper()
	for _, m := range h.Modules()[1:] {
		err := h.Shard(0).do(func(s *Shard) error {
			s.dropGuests(m)
			for key := range s.kinds {
				if key.module == m {
					delete(s.kinds, key)
				}
			}
			return m.compiled.Close(t.Context())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.mu.Lock()
	h.modules = h.modules[:1]
	h.mu.Unlock()
}
