package schedule

import (
	"strings"
	"testing"
)

// left returns worlds that were played and healed without a violation, with at
// least so many bars in partition 0.
func left(t *testing.T, bars int, fn func(w *world)) {
	t.Helper()
	r := NewRunner()
	for seed, n := uint64(0), 0; n < 30; seed++ {
		w, err := newWorld(r.dec, Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if r.play(w); w.err != nil {
			t.Fatal(w.err)
		}
		if len(w.logs[klines][0].recs) >= bars && !w.failed[0] {
			n++
			fn(w)
		}
	}
}

func TestChecksSeeWhatIsDoneToTheLogs(t *testing.T) {
	middle := func(w *world) (*partition, int) {
		log := w.logs[klines][0]
		i := len(log.recs) / 2
		for log.recs[i].txn != nil && log.recs[i].txn.status != committed {
			if i++; i == len(log.recs) {
				return log, -1
			}
		}
		return log, i
	}
	tests := []struct {
		name string
		do   func(log *partition, i int)
	}{
		{"a digit of a bar is another", func(log *partition, i int) {
			r := &log.recs[i]
			r.value = strings.Replace(r.value, `"v":"`, `"v":"9`, 1)
			r.value = strings.Replace(r.value, `"rev":`, `"rev":9`, 1) // restated values have no v
		}},
		{"a position is another", func(log *partition, i int) { log.recs[i].sk += 7 }},
		{"a timestamp is another", func(log *partition, i int) { log.recs[i].time++ }},
		{"an output is gone and never repeated", func(log *partition, i int) {
			gone, kept := log.recs[i], log.recs[:0]
			for _, r := range log.recs {
				if r.so != gone.so || r.sk != gone.sk {
					kept = append(kept, r)
				}
			}
			log.recs = kept
		}},
		{"an output nobody caused is there", func(log *partition, i int) {
			r := log.recs[i]
			r.so += 1_000_000
			log.append(r, nil)
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			left(t, 6, func(w *world) {
				log, i := middle(w)
				if i < 0 {
					return
				}
				tc.do(log, i)
				if w.check(new(Result)); w.err == nil {
					t.Errorf("seed %d: nothing was seen", w.opt.Seed)
				}
			})
		})
	}
}

// The recount has to see by itself what the replay would see first.
func TestRecountSeesWhatIsDoneToABar(t *testing.T) {
	for _, what := range []string{`"o":"`, `"vwap":"`, `"n":`, `"seq":`, `"wm":`, `"o1":`, `"v":[`} {
		left(t, 6, func(w *world) {
			ref, decisions, err := w.replay(0)
			if err != nil {
				t.Fatal(err)
			}
			outs := [numTopics][]*record{}
			for _, x := range [...]topic{klines, late, dlq} {
				outs[x] = w.read(0, x, new(Result))
			}
			for i, r := range outs[klines] {
				if r.head == "" {
					other := *r
					other.value = strings.Replace(r.value, what, what+"1", 1)
					outs[klines][i] = &other
					break
				}
			}
			if w.recount(0, decisions, outs, ref); w.err == nil {
				t.Errorf("seed %d: a digit behind %s was not seen", w.opt.Seed, what)
			}
		})
	}
}
