package wasmhost

import (
	"errors"
	"math"
	"sync"
	"testing"
)

// Callers of all goroutines share shards; each must find its own series as if
// it were alone. Run with -race.
func TestConcurrentCallersDoNotMix(t *testing.T) {
	h, _ := builtinHost(t, Config{})
	inst := resolve(t, h, "macd(3,5,2)")
	const callers, n = 16, 200
	var wg sync.WaitGroup
	for c := range callers {
		bars := randomBars(uint64(c), n)
		want, _, _ := native(t, inst, bars)
		wg.Go(func() {
			s := h.Shard(c)
			slot, err := s.Open(inst, minute)
			if err != nil {
				t.Error(err)
				return
			}
			out := make([]float64, len(inst.Outputs))
			for i := range bars {
				if err := s.Apply([]Job{{Slot: slot, Bar: &bars[i], Out: out}}); err != nil {
					t.Error(err)
					return
				}
				for k, v := range out {
					if math.Float64bits(v) != math.Float64bits(want[i*len(out)+k]) {
						t.Errorf("caller %d, bar %d: %v", c, i, out)
						return
					}
				}
				if i%50 == 0 {
					if _, err := h.Resolve("ema(5)"); err != nil {
						t.Error(err)
					}
				}
			}
			if err := s.Close(slot); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCloseWhileCallersAreBusy(t *testing.T) {
	h, _ := builtinHost(t, Config{})
	inst := resolve(t, h, "ema(5)")
	var wg sync.WaitGroup
	started := make(chan struct{}, 8)
	for c := range 8 {
		s := h.Shard(c)
		slot := open(t, s, inst)
		wg.Go(func() {
			out := make([]float64, 1)
			for i := 0; ; i++ {
				if err := s.Apply([]Job{{Slot: slot, Bar: new(bar(i, 1, 1)), Out: out}}); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				if i == 100 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
