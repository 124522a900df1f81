package wasmhost

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestTrapFailsItsSlotAndNoOther(t *testing.T) {
	s, inst, m := sumShard(t)
	const n = 200
	slots := make([]Slot, n)
	for i := range slots {
		slots[i] = open(t, s, inst)
		one(t, s, slots[i], bar(0, float64(i), 1), false)
	}
	before := s.guests[m][0]
	if j := one(t, s, slots[17], bar(1, 1, doTrap), false); j.RC != RCTrap {
		t.Fatalf("trapping bar: %+v", j)
	}
	if s.guests[m][0] == before {
		t.Fatal("the instance that trapped is still used")
	}
	for i, slot := range slots {
		j := one(t, s, slot, bar(1, 1, 1), false)
		switch {
		case i == 17:
			if j.RC != RCTrap {
				t.Errorf("failed slot answers %+v", j)
			}
		case j.RC != RCReady || j.Out[0] != float64(i)+1:
			t.Errorf("slot %d after the trap of another: %+v", i, j)
		}
	}
	var f *SlotError
	if err := s.Failure(slots[17]); !errors.As(err, &f) || !strings.Contains(f.Text, "unreachable") {
		t.Errorf("failure: %v", err)
	}
	if got := m.Stats().Traps; got != 1 {
		t.Errorf("traps counted: %d", got)
	}
}

func TestTrapInABatchSparesSlotsOfOtherCalls(t *testing.T) {
	s, inst, _ := sumShard(t)
	in := []Slot{open(t, s, inst), open(t, s, inst), open(t, s, inst)}
	out := open(t, s, inst)
	one(t, s, out, bar(0, 40, 1), false)
	jobs := make([]Job, 3)
	for i := range jobs {
		jobs[i] = Job{Slot: in[i], Bar: new(bar(0, 1, 1)), Out: make([]float64, 1)}
	}
	jobs[1].Bar.Trades = doTrap
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	for i := range jobs {
		if jobs[i].RC != RCTrap {
			t.Errorf("job %d of the call that trapped: %+v", i, jobs[i])
		}
	}
	if j := one(t, s, out, bar(1, 2, 1), false); j.Out[0] != 42 {
		t.Errorf("slot outside of the call: %v", j.Out[0])
	}
}

// Which previews a node is asked for is chance; if one of them could fail a
// slot, two nodes would disagree about closed values.
func TestTrapInAPreviewChangesNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Shard, inst *Instance, m *Module) {
		a, b := open(t, s, inst), open(t, s, inst)
		jobs := []Job{
			{Slot: a, Bar: new(bar(0, 1, 1)), Out: make([]float64, 1)},
			{Slot: b, Bar: new(bar(0, 2, 1)), Out: make([]float64, 1)},
			{Slot: a, Bar: new(bar(1, 5, doTrap)), Preview: true, Out: make([]float64, 1)},
			{Slot: b, Bar: new(bar(1, 5, 1)), Preview: true, Out: make([]float64, 1)},
			{Slot: a, Bar: new(bar(1, 10, 1)), Out: make([]float64, 1)},
			{Slot: b, Bar: new(bar(1, 20, 1)), Out: make([]float64, 1)},
		}
		if err := s.Apply(jobs); err != nil {
			t.Fatal(err)
		}
		if jobs[2].RC != RCTrap || jobs[4].Out[0] != 11 || jobs[5].Out[0] != 22 {
			t.Errorf("%+v", jobs)
		}
		if err := errors.Join(s.Failure(a), s.Failure(b)); err != nil {
			t.Errorf("a preview failed a slot: %v", err)
		}
	})
}

// The last call of an Apply may leave an instance that must not be called again.
func TestASlotIsOpenedAfterATrap(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Shard, inst *Instance, m *Module) {
		if j := one(t, s, open(t, s, inst), bar(0, 1, doTrap), false); j.RC != RCTrap {
			t.Fatalf("%+v", j)
		}
		if got := m.Stats().Traps; got != 1 {
			t.Errorf("%d traps are counted", got)
		}
		if j := one(t, s, open(t, s, inst), bar(0, 3, 1), false); j.Out[0] != 3 {
			t.Errorf("the next slot: %+v", j)
		}
	})
}

func TestTrapInBackfillFailsTheSlot(t *testing.T) {
	s, inst, _ := sumShard(t)
	slot, other := open(t, s, inst), open(t, s, inst)
	one(t, s, other, bar(0, 3, 1), false)
	n, err := s.Backfill(slot, []Bar{bar(0, 1, 1), bar(1, 1, doTrap)}, make([]float64, 2), nil)
	var f *SlotError
	if n != 0 || !errors.As(err, &f) || f.Code != RCTrap {
		t.Fatalf("%d, %v", n, err)
	}
	if j := one(t, s, other, bar(1, 4, 1), false); j.Out[0] != 7 {
		t.Errorf("other slot: %v", j.Out[0])
	}
}

// Every slab moves to the new instance, also those beyond the first.
func TestRebuildKeepsAllSlabs(t *testing.T) {
	f := newFixture()
	f.code("kl_state_size", i32c(maxState))
	h, m := loadModule(t, Config{Shards: 1}, f.bytes())
	s, inst := h.Shard(0), resolve(t, h, "sum")
	slots := make([]Slot, 100) // 16 a slab
	for i := range slots {
		slots[i] = open(t, s, inst)
		one(t, s, slots[i], bar(0, float64(i), 1), false)
	}
	if n := len(s.guests[m][0].slabs); n != 7 {
		t.Fatalf("%d slabs, want 7", n)
	}
	one(t, s, slots[0], bar(1, 1, doTrap), false)
	for i, slot := range slots[1:] {
		if j := one(t, s, slot, bar(1, 0, 1), false); j.Out[0] != float64(i+1) {
			t.Fatalf("slot %d: %v", i+1, j.Out[0])
		}
	}
}

// Some languages trap in kl_alloc when memory is out. The instance that did is
// replaced, not asked again, and new series go to another one.
func TestTrapInAllocOpensAnotherInstance(t *testing.T) {
	f := newFixture()
	f.code("kl_state_size", i32c(maxState))
	// Beyond 4 MiB of heap: unreachable.
	f.code("kl_alloc", join(when(join(ops(0x23, 0), i32c(heapAt+3<<20), ops(0x4b)), ops(0x00)), allocCode()))
	h, m := loadModule(t, Config{Shards: 1}, f.bytes())
	s, inst := h.Shard(0), resolve(t, h, "sum")
	slots := make([]Slot, 100)
	for i := range slots {
		slots[i] = open(t, s, inst)
		one(t, s, slots[i], bar(0, float64(i), 1), false)
	}
	if n := len(s.guests[m]); n != 3 {
		t.Errorf("%d instances, want 3", n)
	}
	if got := m.Stats().Traps; got != 2 {
		t.Errorf("%d traps, want one for each full instance", got)
	}
	for i, slot := range slots {
		if j := one(t, s, slot, bar(1, 1, 1), false); j.Out[0] != float64(i)+1 {
			t.Fatalf("slot %d: %v", i, j.Out[0])
		}
	}
}

func TestMemoryThatGrowsDuringAnUpdateIsSeen(t *testing.T) {
	s, inst, m := sumShard(t)
	slot := open(t, s, inst)
	for i := range 5 {
		if j := one(t, s, slot, bar(i, 1, doGrow), false); j.Out[0] != float64(i+1) {
			t.Fatalf("bar %d: %+v", i, j)
		}
	}
	if got := m.Stats().Growths; got != 5 {
		t.Errorf("growths counted: %d, want 5", got)
	}
}

func TestInstanceThatCannotBeReplacedKeepsItsStates(t *testing.T) {
	s, inst, m := sumShard(t)
	bad, good := open(t, s, inst), open(t, s, inst)
	one(t, s, good, bar(0, 3, 1), false)
	limit := s.host.account.limit
	s.host.account.limit = s.host.account.used.Load() // nobody else runs: the shard is idle
	if j := one(t, s, bad, bar(0, 1, doTrap), false); j.RC != RCTrap {
		t.Fatalf("%+v", j)
	}
	if j := one(t, s, good, bar(1, 3, 1), false); j.RC != RCTrap {
		t.Fatalf("without memory for a new instance: %+v", j)
	}
	if err := s.Failure(good); err != nil {
		t.Fatalf("a slot outside of the trap failed: %v", err)
	}
	s.host.account.limit = limit
	if j := one(t, s, good, bar(1, 3, 1), false); j.RC != RCReady || j.Out[0] != 6 {
		t.Errorf("after memory came back: %+v", j)
	}
	if n := len(s.guests[m]); n != 1 {
		t.Errorf("%d instances", n)
	}
}

func TestPanicOfTheHostEndsTheShardAndAllCallersHearOfIt(t *testing.T) {
	s, inst, _ := sumShard(t)
	slot := open(t, s, inst)
	err := s.do(func(*Shard) error { panic("broken invariant") })
	if err == nil || !strings.Contains(err.Error(), "broken invariant") {
		t.Fatalf("the caller got %v", err)
	}
	if err := s.Apply([]Job{{Slot: slot, Out: make([]float64, 1)}}); err == nil || !strings.Contains(err.Error(), "ended by a panic") {
		t.Errorf("the next caller got %v", err)
	}
	if _, err := s.Open(inst, minute); err == nil {
		t.Error("Open on a dead shard succeeded")
	}
}

func TestCallsAfterCloseReturnErrClosed(t *testing.T) {
	wasm := newFixture().bytes()
	h, _ := loadModule(t, Config{Shards: 1}, wasm)
	inst := resolve(t, h, "sum")
	s := h.Shard(0)
	slot := open(t, s, inst)
	if err := errors.Join(h.Close(), h.Close()); err != nil {
		t.Fatal(err)
	}
	_, openErr := s.Open(inst, minute)
	_, readErr := s.Read(slot, nil)
	_, resolveErr := h.Resolve("sum")
	_, loadErr := h.Load(context.Background(), wasm)
	_, backfillErr := s.Backfill(slot, []Bar{bar(0, 1, 1)}, make([]float64, 1), nil)
	for name, err := range map[string]error{
		"Open": openErr, "Read": readErr, "Resolve": resolveErr, "Load": loadErr, "Backfill": backfillErr,
		"Apply": s.Apply(nil), "Write": s.Write(slot, nil), "Close": s.Close(slot), "Failure": s.Failure(slot),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := h.Memory(); got != 0 {
		t.Errorf("%d bytes of guest memory after Close", got)
	}
}
