package schedule

import (
	"slices"
	"testing"
)

func TestTheSameSeedGivesTheSameRun(t *testing.T) {
	first, again := NewRunner(), NewRunner()
	hashes := map[uint64]bool{}
	for seed := range uint64(100) {
		a := first.Run(Options{Seed: seed, Trace: true})
		b := again.Run(Options{Seed: seed, Trace: true})
		if a.Hash != b.Hash || !slices.Equal(a.Trace, b.Trace) {
			t.Errorf("seed %d: hash %016x, again %016x", seed, a.Hash, b.Hash)
		}
		hashes[a.Hash] = true
	}
	if len(hashes) != 100 {
		t.Errorf("100 seeds gave %d hashes", len(hashes))
	}
}

func TestAnEventLeftOutLeavesTheOthersAsTheyAre(t *testing.T) {
	r := NewRunner()
	for seed := range uint64(100) {
		whole := r.Run(Options{Seed: seed})
		if r.Run(Options{Seed: seed, Only: set(whole.Events)}).Hash != whole.Hash {
			t.Errorf("seed %d: what could not happen has left something behind", seed)
		}
		n := len(whole.Events) - 1
		less := r.Run(Options{Seed: seed, Only: set(whole.Events[:n])})
		if !slices.Equal(less.Events, whole.Events[:n]) {
			t.Errorf("seed %d: without the last of %v: %v", seed, whole.Events, less.Events)
		}
	}
}

func TestShrinkKeepsTheViolationAndLosesTheRest(t *testing.T) {
	r := NewRunner()
	o := Options{Mutant: Mutant{NoDedupe: true}}
	for r.Run(o).Err == nil {
		o.Seed++
	}
	whole := r.Run(o)
	_, small := Shrink(r, o)
	if small.Err == nil || len(small.Trace) == 0 {
		t.Fatalf("the smallest schedule shows nothing: %v", small.Err)
	}
	// A duplicate needs two records: to produce them is enough, the healing reads.
	if len(small.Events) > 3 || len(small.Events) >= len(whole.Events) {
		t.Errorf("%d events are left of %d: %v %v", len(small.Events), len(whole.Events), small.Err, small.Trace)
	}
}

func TestTheHashSeesABit(t *testing.T) {
	var a, b trace
	a.text("the same text, one bit apart: 0")
	b.text("the same text, one bit apart: 1")
	if a.hash == b.hash {
		t.Error("two texts have one hash")
	}
}
