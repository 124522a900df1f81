package wasmhost

import (
	"errors"
	"strings"
	"testing"
)

// failing is a fixture whose kl_update does code on a bar with doTrap trades.
func failing(code ...[]byte) *fixture {
	f := newFixture()
	return f.code("kl_update", join(when(tradesAre(doTrap), code...), updateCode()))
}

func TestFaultSaysWhatEndedTheCall(t *testing.T) {
	forever := ops(0x03, 0x40, 0x0c, 0, 0x0b)
	self := join(get(0), get(1), get(2), get(3), ops(0x10, 5, 0x1a)) // kl_update
	for _, tt := range []struct {
		name  string
		fix   *fixture
		fault Fault
		text  string
	}{
		{"instruction", failing(ops(0x00)), FaultTrap, "trap: wasm error: unreachable"},
		{"loop", failing(forever), FaultFuel, "out of fuel: the call used more than 4000000 units"},
		{"recursion", failing(self), FaultStack, "out of stack: calls went too deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, m := loadModule(t, Config{Shards: 1}, tt.fix.bytes())
			s, inst := h.Shard(0), resolve(t, h, "sum")
			slot, other := open(t, s, inst), open(t, s, inst)
			one(t, s, other, bar(0, 3, 1), false)
			if j := one(t, s, slot, bar(0, 1, doTrap), false); j.RC != RCTrap {
				t.Fatalf("%+v", j)
			}
			var f *SlotError
			if err := s.Failure(slot); !errors.As(err, &f) || f.Fault != tt.fault || f.Text != tt.text || f.Shared {
				t.Errorf("failure %+v", f)
			}
			got := m.Stats()
			if got.Traps != 1 || (got.NoFuel == 1) != (tt.fault == FaultFuel) || (got.NoStack == 1) != (tt.fault == FaultStack) || got.Fuel == 0 {
				t.Errorf("counted %+v", got)
			}
			// The new instance has fuel and stack again.
			if j := one(t, s, other, bar(1, 4, 1), false); j.RC != RCReady || j.Out[0] != 7 {
				t.Errorf("another slot: %+v", j)
			}
		})
	}
}

// Whose bar it was that ended a call of many, the call does not tell.
func TestFaultOfACallOfManyIsShared(t *testing.T) {
	h, _ := loadModule(t, Config{Shards: 1}, failing(ops(0x00)).bytes())
	s, inst := h.Shard(0), resolve(t, h, "sum")
	slots := []Slot{open(t, s, inst), open(t, s, inst)}
	jobs := make([]Job, 2)
	for i := range jobs {
		one(t, s, slots[i], bar(0, 1, 1), false)
		jobs[i] = Job{Slot: slots[i], Bar: new(bar(1, 1, doTrap)), Out: make([]float64, 1)}
	}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	for _, slot := range slots {
		var f *SlotError
		if err := s.Failure(slot); !errors.As(err, &f) || !f.Shared || f.Fault != FaultTrap {
			t.Errorf("failure %+v", f)
		}
	}
	alone := open(t, s, inst)
	var f *SlotError
	if _, err := s.Backfill(alone, []Bar{bar(0, 1, 1), bar(1, 1, doTrap)}, make([]float64, 2), nil); !errors.As(err, &f) || !f.Shared {
		t.Errorf("backfill of two bars: %+v", f)
	}
	again := open(t, s, inst)
	if _, err := s.Backfill(again, []Bar{bar(1, 1, doTrap)}, make([]float64, 1), nil); !errors.As(err, &f) || f.Shared {
		t.Errorf("backfill of one bar: %+v", f)
	}
}

// A batch has the fuel of all its bars: n bars that pass alone pass together.
func TestBatchHasTheFuelOfItsBars(t *testing.T) {
	// Each update fills 4 MB/32 units of memory many times: 3 million units.
	busy := join(i32c(0), i32c(0), i32c(1<<16), ops(0xfc, 11, 0))
	f := newFixture()
	f.code("kl_update", join(repeatedCode(busy, 1400), updateCode()))
	h, m := loadModule(t, Config{Shards: 1}, f.bytes())
	s, inst := h.Shard(0), resolve(t, h, "sum")
	jobs := make([]Job, 5)
	for i := range jobs {
		jobs[i] = Job{Slot: open(t, s, inst), Bar: new(bar(0, 1, 1)), Out: make([]float64, 1)}
	}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	for i := range jobs {
		if jobs[i].RC < 0 {
			t.Fatalf("job %d: %+v, %v", i, jobs[i], s.Failure(jobs[i].Slot))
		}
	}
	if got := m.Stats().Fuel; got < 5*2_800_000 || got > 5*fuelBar {
		t.Errorf("%d units used", got)
	}
}

func repeatedCode(code []byte, n int) []byte { return []byte(strings.Repeat(string(code), n)) }

// Loading costs what the manual says in fuel: the start, the description and
// the allocator of the built-in module are far inside of their budgets.
func TestBuiltinStartsInsideOfItsBudgets(t *testing.T) {
	h, m := builtinHost(t, Config{Shards: 1})
	err := h.Shard(0).do(func(s *Shard) error {
		g, err := newGuest(h, m)
		if err != nil {
			return err
		}
		defer g.close()
		for name, args := range map[string][]uint64{"kl_describe": nil, "kl_alloc": {slabSize}, "kl_abi": nil} {
			if _, err := g.call(name, args...); err != nil {
				return err
			}
			used := fuelOf(name) - g.meter.left()
			if t.Logf("%s: %d units", name, used); used <= 0 || used > fuelOf(name)/2 {
				t.Errorf("%s uses %d units of %d", name, used, fuelOf(name))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
