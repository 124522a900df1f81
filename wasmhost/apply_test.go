package wasmhost

import (
	"errors"
	"math"
	"slices"
	"testing"
)

// one applies one bar and returns the job.
func one(t *testing.T, s *Shard, slot Slot, b Bar, preview bool) Job {
	t.Helper()
	jobs := []Job{{Slot: slot, Bar: &b, Preview: preview, Out: make([]float64, 1)}}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	return jobs[0]
}

func sumShard(t *testing.T) (*Shard, *Instance, *Module) {
	t.Helper()
	h, m := loadModule(t, Config{Shards: 1}, newFixture().bytes())
	return h.Shard(0), resolve(t, h, "sum"), m
}

// bothWays runs a test where jobs share calls, and on an upload, which gets one a call.
func bothWays(t *testing.T, test func(t *testing.T, s *Shard, inst *Instance, m *Module)) {
	t.Run("together", func(t *testing.T) {
		s, inst, m := sumShard(t)
		test(t, s, inst, m)
	})
	t.Run("alone", func(t *testing.T) {
		h := uploadHost(t, Config{Shards: 1})
		m := upload(t, h, newFixture(), "a")
		test(t, h.Shard(0), resolveUpload(t, h, m, "sum"), m)
	})
}

func TestClosedBarsAdvanceAndPreviewsDoNot(t *testing.T) {
	bothWays(t, func(t *testing.T, s *Shard, inst *Instance, m *Module) {
		slot := open(t, s, inst)
		if j := one(t, s, slot, bar(0, 5, 1), false); j.RC != RCWarming || j.Out[0] != 5 {
			t.Fatalf("first bar: %+v", j)
		}
		for range 3 {
			if j := one(t, s, slot, bar(1, 100, 1), true); j.RC != RCReady || j.Out[0] != 105 {
				t.Fatalf("preview: %+v", j)
			}
		}
		if j := one(t, s, slot, bar(1, 7, 1), false); j.RC != RCReady || j.Out[0] != 12 {
			t.Fatalf("after previews: %+v", j)
		}
		if got := m.Stats(); got.Bars != 2 || got.Previews != 3 || got.Traps != 0 {
			t.Errorf("counted %+v", got)
		}
	})
}

func TestJobsOfOneSlotKeepTheirOrder(t *testing.T) {
	s, inst, _ := sumShard(t)
	a, b := open(t, s, inst), open(t, s, inst)
	type step struct {
		slot    Slot
		p       float64
		preview bool
		want    float64
	}
	steps := []step{
		{a, 1, false, 1}, {b, 10, false, 10}, {a, 2, false, 3}, {a, 100, true, 103}, {b, 100, true, 110},
		{a, 200, true, 203}, {a, 3, false, 6}, {b, 20, false, 30}, {a, 1, true, 7}, {b, 5, false, 35},
	}
	jobs := make([]Job, len(steps))
	for i, st := range steps {
		jobs[i] = Job{Slot: st.slot, Bar: new(bar(i, st.p, 1)), Preview: st.preview, Out: make([]float64, 1)}
	}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	for i, st := range steps {
		if jobs[i].Out[0] != st.want {
			t.Errorf("job %d: %v, want %v", i, jobs[i].Out[0], st.want)
		}
	}
}

func TestOneApplyMayHoldMoreJobsThanOneCall(t *testing.T) {
	s, inst, _ := sumShard(t)
	const n = maxBatch*2 + 17
	jobs := make([]Job, n)
	for i := range jobs {
		jobs[i] = Job{Slot: open(t, s, inst), Bar: new(bar(0, float64(i), 1)), Out: make([]float64, 1)}
	}
	for round := 1; round <= 3; round++ {
		if err := s.Apply(jobs); err != nil {
			t.Fatal(err)
		}
		for i := range jobs {
			if jobs[i].Out[0] != float64(i*round) {
				t.Fatalf("round %d, job %d: %v", round, i, jobs[i].Out[0])
			}
		}
	}
}

func TestModuleWithoutBatchIsCalledBarByBar(t *testing.T) {
	f := newFixture()
	f.replace("kl_update_batch", func(fn *fixtureFunc) { fn.name = "" })
	h, _ := loadModule(t, Config{Shards: 1}, f.bytes())
	s, inst := h.Shard(0), resolve(t, h, "sum")
	a, b := open(t, s, inst), open(t, s, inst)
	jobs := []Job{{Slot: a, Bar: new(bar(0, 1, 1)), Out: make([]float64, 1)}, {Slot: b, Bar: new(bar(0, 2, 1)), Out: make([]float64, 1)},
		{Slot: a, Bar: new(bar(1, 1, doTrap)), Out: make([]float64, 1)}, {Slot: b, Bar: new(bar(1, 2, 1)), Out: make([]float64, 1)}}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	if jobs[2].RC != RCTrap || jobs[3].Out[0] != 4 || jobs[3].RC != RCReady {
		t.Errorf("after a trap in one slot: %+v", jobs)
	}
	c := open(t, s, inst)
	out := make([]float64, 3)
	if n, err := s.Backfill(c, []Bar{bar(0, 1, 1), bar(1, 2, 1), bar(2, 3, 1)}, out, nil); n != 3 || err != nil || !slices.Equal(out, []float64{1, 3, 6}) {
		t.Errorf("backfill: %d %v %v", n, err, out)
	}
}

func TestOutputsAreCanonical(t *testing.T) {
	s, inst, m := sumShard(t)
	slot := open(t, s, inst)
	for _, tt := range []struct {
		name   string
		trades uint32
		want   uint64
	}{
		{"NaN of any payload", doNaN, noValueBits},
		{"infinity", doInfinity, noValueBits},
		{"negative zero", doNegZero, 0},
	} {
		j := one(t, s, slot, bar(0, 1, tt.trades), false)
		if got := math.Float64bits(j.Out[0]); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
	if got := m.Stats().Infinite; got != 1 {
		t.Errorf("infinite outputs counted: %d, want 1", got)
	}
}

func TestDegenerateOutputBecomesAFlag(t *testing.T) {
	s, inst, _ := sumShard(t)
	slot := open(t, s, inst)
	b := bar(0, 1, 1)
	if j := one(t, s, slot, b, false); j.Degenerate {
		t.Error("flag set on a bar with volume")
	}
	b.Volume = 0
	if j := one(t, s, slot, b, false); !j.Degenerate {
		t.Error("flag not set on a bar without volume")
	}
	flags := []bool{true, true}
	if _, err := s.Backfill(slot, []Bar{bar(2, 1, 1), b}, make([]float64, 2), flags); err != nil || flags[0] || !flags[1] {
		t.Errorf("backfill flags %v, %v", flags, err)
	}
}

func TestNonFiniteBarIsNotHandedIn(t *testing.T) {
	s, inst, _ := sumShard(t)
	slot := open(t, s, inst)
	one(t, s, slot, bar(0, 1, 1), false)
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		b := bar(1, 1, 1)
		b.QuoteVolume = v
		if j := one(t, s, slot, b, false); j.RC != RCInput || !math.IsNaN(j.Out[0]) {
			t.Errorf("bar with %v: %+v", v, j)
		}
	}
	out := make([]float64, 3)
	bad := bar(1, math.NaN(), 1)
	if n, err := s.Backfill(slot, []Bar{bar(1, 1, 1), bad, bar(2, 1, 1)}, out, nil); n != 3 || err != nil || out[0] != 2 || !math.IsNaN(out[1]) || out[2] != 3 {
		t.Errorf("backfill over a bad bar: %d %v %v", n, err, out)
	}
}

func TestErrorOfTheModuleStaysWithItsSlot(t *testing.T) {
	for _, tt := range []struct {
		name   string
		trades uint32
		code   int32
		text   string
	}{
		{"negative result", doError, -100, `the module returned an error: code -100: no luck\n`},
		{"reserved result", doReserved, RCProtocol, "the module returned 7, which is reserved"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, inst, m := sumShard(t)
			bad, good := open(t, s, inst), open(t, s, inst)
			one(t, s, good, bar(0, 1, 1), false)
			if j := one(t, s, bad, bar(0, 1, tt.trades), true); j.RC != tt.code {
				t.Fatalf("preview: %+v", j)
			}
			if err := s.Failure(bad); err != nil {
				t.Fatalf("a preview failed the slot: %v", err)
			}
			if j := one(t, s, bad, bar(0, 1, tt.trades), false); j.RC != tt.code || !math.IsNaN(j.Out[0]) {
				t.Fatalf("closed: %+v", j)
			}
			var f *SlotError
			if err := s.Failure(bad); !errors.As(err, &f) || f.Code != tt.code || f.Text != tt.text {
				t.Fatalf("failure: %v", err)
			}
			if j := one(t, s, bad, bar(1, 1, 1), false); j.RC != tt.code {
				t.Errorf("a failed slot answered %+v", j)
			}
			if _, err := s.Read(bad, nil); !errors.As(err, &f) {
				t.Errorf("reading a failed slot: %v", err)
			}
			if j := one(t, s, good, bar(1, 1, 1), false); j.RC != RCReady || j.Out[0] != 2 {
				t.Errorf("the other slot: %+v", j)
			}
			state, err := s.Read(good, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Write(bad, state); err != nil {
				t.Fatal(err)
			}
			if j := one(t, s, bad, bar(2, 1, 1), false); j.RC != RCReady || j.Out[0] != 3 {
				t.Errorf("after a write: %+v", j)
			}
			if got := m.Stats().Errors; got != 2 {
				t.Errorf("errors counted: %d, want 2", got)
			}
		})
	}
}

func TestApplyRefusesMistakesBeforeItStarts(t *testing.T) {
	s, inst, _ := sumShard(t)
	a, closed := open(t, s, inst), open(t, s, inst)
	if err := s.Close(closed); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		job  Job
	}{
		{"zero slot", Job{Out: make([]float64, 1)}},
		{"closed slot", Job{Slot: closed, Out: make([]float64, 1)}},
		{"slot of another shard", Job{Slot: Slot{shard: 5, gen: 1}, Out: make([]float64, 1)}},
		{"room for too little", Job{Slot: a}},
		{"room for too much", Job{Slot: a, Out: make([]float64, 2)}},
	} {
		jobs := []Job{{Slot: a, Bar: new(bar(0, 9, 1)), Out: make([]float64, 1)}, tt.job}
		if err := s.Apply(jobs); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	if j := one(t, s, a, bar(0, 1, 1), false); j.Out[0] != 1 {
		t.Errorf("a refused Apply advanced the slot: %v", j.Out[0])
	}
	if err := s.Close(closed); !errors.Is(err, errSlot) {
		t.Errorf("closing twice: %v", err)
	}
}

func TestReusedPlaceHasANewHandleAndAFreshState(t *testing.T) {
	s, inst, _ := sumShard(t)
	old := open(t, s, inst)
	one(t, s, old, bar(0, 9, 1), false)
	if err := s.Close(old); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, s, inst)
	if fresh.index != old.index || fresh == old {
		t.Fatalf("handles %+v and %+v", old, fresh)
	}
	if j := one(t, s, fresh, bar(0, 1, 1), false); j.Out[0] != 1 {
		t.Errorf("state of the former series shines through: %v", j.Out[0])
	}
	if _, err := s.Read(old, nil); !errors.Is(err, errSlot) {
		t.Errorf("old handle: %v", err)
	}
}

func TestBackfillInChunksEqualsBarByBar(t *testing.T) {
	s, inst, _ := sumShard(t)
	const n = maxChunk*2 + 100
	bars, out := make([]Bar, n), make([]float64, n)
	for i := range bars {
		bars[i] = bar(i, float64(i%17), 1)
	}
	slot := open(t, s, inst)
	if done, err := s.Backfill(slot, bars, out, nil); done != n || err != nil {
		t.Fatal(done, err)
	}
	sum := 0.0
	for i := range bars {
		if sum += float64(i % 17); out[i] != sum {
			t.Fatalf("bar %d: %v, want %v", i, out[i], sum)
		}
	}
}

func TestBackfillStopsAtAnError(t *testing.T) {
	s, inst, _ := sumShard(t)
	bars := []Bar{bar(0, 1, 1), bar(1, 1, 1), bar(2, 1, doError), bar(3, 1, 1)}
	out := make([]float64, len(bars))
	slot := open(t, s, inst)
	n, err := s.Backfill(slot, bars, out, nil)
	var f *SlotError
	if n != 2 || !errors.As(err, &f) || f.Code != -100 {
		t.Fatalf("%d bars, %v", n, err)
	}
	if out[1] != 2 || !math.IsNaN(out[2]) || !math.IsNaN(out[3]) {
		t.Errorf("rows %v", out)
	}
	if err := s.Failure(slot); err == nil {
		t.Error("the slot did not fail")
	}
}
