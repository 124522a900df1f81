package wasmhost

import (
	"crypto/sha256"
	"math"
	"testing"
)

// FuzzABI lets a module answer with any numbers where the host expects
// pointers, lengths, sizes and results. Whatever it says, the host must answer
// with errors, never with a panic or a read outside of the memory.
func FuzzABI(f *testing.F) {
	f.Add(int64(manifestAt)<<32|int64(len(sumManifest)), int32(heapAt), int32(16), int32(1), int64(errorAt)<<32|8, int32(1), int32(0))
	f.Add(int64(-1), int32(-16), int32(-1), int32(-2), int64(-1), int32(7), int32(-1))
	f.Add(int64(manifestAt)<<32|int64(len(sumManifest)), int32(heapAt), int32(maxState), int32(0), int64(1)<<62, int32(-100), int32(1))
	f.Fuzz(func(t *testing.T, describe int64, alloc, size, abi int32, words int64, rc, batch int32) {
		fix := newFixture()
		fix.pages[0] = 48
		if describe != 0 {
			fix.code("kl_describe", i64c(describe))
		}
		if alloc != 0 { // the second region may lie anywhere, too
			fix.code("kl_alloc", join(ops(0x23, 0), ops(0x23, 0), i32c(alloc), ops(0x6a, 0x24, 0)))
		}
		if abi%2 == 0 {
			fix.code("kl_abi", i32c(0x00010000|abi>>1))
		}
		fix.code("kl_state_size", i32c(size)).code("kl_error", i64c(words)).code("kl_update", i32c(rc))
		if batch != 0 {
			fix.code("kl_update_batch", i32c(batch>>1))
		}
		exercise(t, fix.bytes())
	})
}

// exercise goes through the life of a slot and stops at the first error.
func exercise(t *testing.T, wasm []byte) {
	t.Helper()
	h, err := New(t.Context(), Config{Shards: 1, MaxMemory: 8 << 20}, sha256.Sum256(wasm))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := h.Load(t.Context(), wasm); err != nil {
		return
	}
	inst, err := h.Resolve("sum")
	if err != nil {
		return
	}
	s := h.Shard(0)
	var jobs []Job
	for range 3 {
		slot, err := s.Open(inst, minute)
		if err != nil {
			break
		}
		jobs = append(jobs, Job{Slot: slot, Bar: new(bar(0, 1, 1)), Out: make([]float64, 1)},
			Job{Slot: slot, Bar: new(bar(1, 1, 1)), Out: make([]float64, 1), Preview: true})
	}
	if err := s.Apply(jobs); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.RC < 0 && !math.IsNaN(j.Out[0]) {
			t.Fatalf("an error with a value: %+v", j)
		}
		n, err := s.Backfill(j.Slot, []Bar{bar(2, 1, 1), bar(3, 1, 1)}, make([]float64, 2), nil)
		if (err == nil) != (n == 2) {
			t.Fatalf("%d bars done, %v", n, err)
		}
	}
}
