package indicators

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPreviewLeavesNoTrace feeds forming versions of every bar to copies of
// the state: the closed bar's row and bytes are those of a run without them.
func TestPreviewLeavesNoTrace(t *testing.T) {
	bars := walk(11, 300)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		want := newInstance(t, spec.ID, params)
		got := newInstance(t, spec.ID, params)
		for i := range bars {
			expected := want.update(t, &bars[i])
			for k := range 3 {
				scratch := *got
				scratch.state = slotBytes(len(got.state))
				copy(scratch.state, got.state)
				forming := bars[i]
				forming.Flags &^= FlagClosed
				forming.Close += float64(k)
				forming.High = max(forming.High, forming.Close)
				forming.Src = forming.Close
				row := scratch.update(t, &forming)
				if k == 0 && !sameBits(row, expected) {
					t.Fatalf("bar %d: preview %v differs from the closed bar %v", i, row, expected)
				}
			}
			if row := got.update(t, &bars[i]); !sameBits(row, expected) {
				t.Fatalf("bar %d after previews is %v, want %v", i, row, expected)
			}
		}
		if !bytes.Equal(got.state, want.state) {
			t.Error("previews changed the state")
		}
	})
}

// TestStateMayMove copies the slot to another address before every bar and
// poisons the old bytes.
func TestStateMayMove(t *testing.T) {
	bars := walk(12, 300)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		want := newInstance(t, spec.ID, params).rows(t, bars)
		s := newInstance(t, spec.ID, params)
		for i := range bars {
			old := s.state
			s.state = slotBytes(len(old) + 8*(i%5))[8*(i%5):]
			copy(s.state, old)
			for k := range old {
				old[k] = 0xa5
			}
			if row := s.update(t, &bars[i]); !sameBits(row, want[i]) {
				t.Fatalf("bar %d after moving the state is %v, want %v", i, row, want[i])
			}
		}
	})
}

// TestInterleavedSeriesDoNotTouch runs two series in turns.
func TestInterleavedSeriesDoNotTouch(t *testing.T) {
	a, b := walk(13, 300), walk(14, 300)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		wantA := newInstance(t, spec.ID, params).rows(t, a)
		wantB := newInstance(t, spec.ID, params).rows(t, b)
		x, y := newInstance(t, spec.ID, params), newInstance(t, spec.ID, params)
		for i := range a {
			if !sameBits(x.update(t, &a[i]), wantA[i]) || !sameBits(y.update(t, &b[i]), wantB[i]) {
				t.Fatalf("bar %d differs beside another series", i)
			}
		}
	})
}

// TestRestoredStateContinues stores the state at a random bar, restores it
// elsewhere and expects the bits of an uninterrupted run, for random
// parameters.
func TestRestoredStateContinues(t *testing.T) {
	m := readManifest(t)
	rapid.Check(t, func(r *rapid.T) {
		spec := &m.Indicators[rapid.IntRange(0, len(m.Indicators)-1).Draw(r, "indicator")]
		params := drawParams(r, spec)
		bars := walk(rapid.Uint64().Draw(r, "seed"), rapid.IntRange(2, 250).Draw(r, "bars"))
		cut := rapid.IntRange(0, len(bars)).Draw(r, "cut")
		want := newInstance(t, spec.ID, params).rows(t, bars)
		s := newInstance(t, spec.ID, params)
		got := s.rows(t, bars[:cut])
		stored := slices.Clone(s.state)
		s.state = slotBytes(len(stored))
		copy(s.state, stored)
		got = append(got, s.rows(t, bars[cut:])...)
		requireSameRows(t, spec.Name, got, want)
	})
}

// drawParams draws legal parameters with short periods, so that windows fill.
func drawParams(r *rapid.T, spec *indicatorSpec) []float64 {
	var params []float64
	for i := range spec.Params {
		p := &spec.Params[i]
		lo, hi := p.bounds()
		if p.Type == "float" {
			params = append(params, rapid.Float64Range(lo, hi).Draw(r, p.Name))
			continue
		}
		params = append(params, float64(rapid.IntRange(int(lo), int(min(hi, 40))).Draw(r, p.Name)))
	}
	return params
}

// TestBatchRunsNatively runs the same job loop the guest exports over an arena.
func TestBatchRunsNatively(t *testing.T) {
	bars := walk(15, 100)
	arena := slotBytes(1 << 16)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		s := newInstance(t, spec.ID, params)
		want := newInstance(t, spec.ID, params).rows(t, bars)
		got := runArena(t, arena, s, bars)
		requireSameRows(t, spec.Name, got, want)
	})
}

// TestBoundedOutputsStayInRange holds for every bar of a long walk.
func TestBoundedOutputsStayInRange(t *testing.T) {
	bars := walk(16, 20_000)
	for _, c := range []struct {
		ind    uint32
		params []float64
	}{{RSI, []float64{2}}, {RSI, []float64{14}}, {STOCH, []float64{14, 3, 3, 0}}, {STOCH, []float64{1, 1, 1, 0}}, {STOCH, []float64{5, 3, 3, 1}}} {
		const rounding = 1e-12
		rows := newInstance(t, c.ind, c.params).rows(t, bars)
		for i, row := range rows {
			for _, v := range row {
				if v < -rounding || v > 100+rounding {
					t.Fatalf("indicator %d %v is %v at bar %d", c.ind, c.params, v, i)
				}
			}
		}
	}
}

// TestSumsRecoverFromOverflow passes a value near the largest double through
// the window: once it has left, the values are exact again.
func TestSumsRecoverFromOverflow(t *testing.T) {
	bars := walk(17, 120)
	bad := slices.Clone(bars)
	bad[40].Src, bad[41].Src = math.MaxFloat64, math.MaxFloat64
	for _, c := range []struct {
		ind    uint32
		params []float64
	}{{SMA, []float64{10}}, {WMA, []float64{10}}, {BBANDS, []float64{10, 2, 0}}} {
		want := newInstance(t, c.ind, c.params).rows(t, bars)
		got := newInstance(t, c.ind, c.params).rows(t, bad)
		for i := 60; i < len(bars); i++ {
			for k := range got[i] {
				if !(math.Abs(got[i][k]-want[i][k]) <= 1e-9*math.Abs(want[i][k])) {
					t.Fatalf("indicator %d output %d is %v at bar %d, want %v", c.ind, k, got[i][k], i, want[i][k])
				}
			}
		}
	}
}

// TestUpdateAllocatesNothing holds the promise that the collector never runs
// during an update of the guest.
func TestUpdateAllocatesNothing(t *testing.T) {
	bars := walk(18, 64)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		s := newInstance(t, spec.ID, params)
		i := 0
		if n := testing.AllocsPerRun(200, func() {
			Update(spec.ID, s.state, &bars[i%len(bars)], s.out)
			i++
		}); n != 0 {
			t.Errorf("%v allocations in an update", n)
		}
	})
}
