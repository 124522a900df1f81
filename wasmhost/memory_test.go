package wasmhost

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLinearMemoryGrowsInPlaceUpToItsLimits(t *testing.T) {
	a := &account{limit: 8 * pageSize}
	m, err := newLinearMemory(a, pageSize, 6*pageSize)
	if err != nil {
		t.Fatal(err)
	}
	first := m.Reallocate(pageSize)
	first[7] = 42
	grown := m.Reallocate(6 * pageSize)
	if &grown[0] != &first[0] || grown[7] != 42 || len(grown) != 6*pageSize {
		t.Error("the memory moved")
	}
	if m.Reallocate(7*pageSize) != nil {
		t.Error("grew beyond the limit of the instance")
	}
	other, err := newLinearMemory(a, pageSize, 6*pageSize)
	if err != nil {
		t.Fatal(err)
	}
	if other.Reallocate(2*pageSize) == nil || other.Reallocate(3*pageSize) != nil || a.used.Load() != 8*pageSize {
		t.Errorf("limit of the process: %d pages", a.used.Load()/pageSize)
	}
	if _, err := newLinearMemory(a, pageSize, pageSize); err == nil {
		t.Error("an instance beyond the limit of the process")
	}
	if _, err := newLinearMemory(a, 2*pageSize, pageSize); err == nil {
		t.Error("a minimum beyond the limit of the instance")
	}
	m.Free()
	m.Free()
	other.Free()
	if a.used.Load() != 0 {
		t.Errorf("%d bytes booked after Free", a.used.Load())
	}
}

// Slots of a slab never overlap, whatever is taken and given back.
func TestSlotsOfASlabAreDisjoint(t *testing.T) {
	type slot struct{ off, size uint32 }
	rapid.Check(t, func(t *rapid.T) {
		b := newSlab(nil, 0)
		var live []slot
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(live) > 0 && rapid.IntRange(0, 2).Draw(t, "give") == 0 {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				b.give(live[i].off, live[i].size)
				live = append(live[:i], live[i+1:]...)
				continue
			}
			size := roundSlot(rapid.SampledFrom([]uint32{1, 16, 100, 1632, 40_000, maxState}).Draw(t, "size"))
			off, ok := b.take(size)
			if !ok {
				continue
			}
			if off%16 != 0 || off+size > slabSize {
				t.Fatalf("slot of %d bytes at %d", size, off)
			}
			for _, o := range live {
				if off < o.off+o.size && o.off < off+size {
					t.Fatalf("%d+%d overlaps %d+%d", off, size, o.off, o.size)
				}
			}
			live = append(live, slot{off, size})
		}
		if b.live != len(live) {
			t.Fatalf("%d live, %d counted", len(live), b.live)
		}
	})
}

// The parts of the I/O slab must not overlap: a bar would become an output.
func TestPartsOfTheIOSlabAreDisjoint(t *testing.T) {
	l := newIOSlab(16)
	batch := []uint32{l.cfg, l.params, l.jobs, l.bars, l.outs, l.scratch, l.end}
	sizes := []uint32{cfgSize, maxParams * 8, maxBatch * jobSize, maxBatch * barSize, maxBatch * rowSize, maxState}
	for i, size := range sizes {
		if batch[i]+size > batch[i+1] || batch[i]%8 != 0 {
			t.Errorf("part %d: %d+%d, next at %d", i, batch[i], size, batch[i+1])
		}
	}
	if l.bars+maxChunk*barSize > l.rows || l.rows+maxChunk*rowSize > l.end {
		t.Errorf("backfill: %+v", l)
	}
}
