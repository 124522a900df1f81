package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// forget deletes bars of the store that memory does not hold.
func (b *deepBed) forget(t *rapid.T) (gone []int64) {
	b.h.mu.RLock()
	kept := b.h.symbols["A"].groups[0].oldest()
	b.h.mu.RUnlock()
	held := b.store.bars["A@1m"]
	for range rapid.IntRange(1, 3).Draw(t, "holes") {
		low := rapid.Int64Range(0, b.at).Draw(t, "hole") * minute
		high := min(low+rapid.Int64Range(1, 40).Draw(t, "length")*minute, kept)
		for at := range held {
			if at >= low && at < high {
				delete(held, at)
				gone = append(gone, at)
			}
		}
	}
	return gone
}

// What somebody deleted inside a database is said on every page that should show
// it, whichever way the pages go; what is there is never called missing.
func TestHolesInsideAStoreAreSaid(t *testing.T) {
	plain, claims := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(rapid.SampledFrom([]int{3, 7, 40}).Draw(t, "view_bars"))
		restated := rapid.Bool().Draw(t, "restated")
		if n := rapid.IntRange(30, 200).Draw(t, "records"); restated {
			b.grow(t, n)
		} else {
			for range n {
				b.at += rapid.Int64Range(1, 3).Draw(t, "step")
				b.bar(0)
			}
		}
		b.store.take(b.all...)
		b.log.recs = nil
		gone := b.forget(t)
		hold := func(body deepBody, low, high int64) {
			for _, m := range body.Missing {
				from := int64(0)
				if m[0] != nil {
					from = *m[0]
				}
				for _, k := range body.Bars {
					if k.At >= from && k.At < *m[1] {
						t.Fatalf("bar %d is shown and said to be missing: %v", k.At, body.Missing)
					}
				}
			}
			if len(body.Missing) > 0 {
				claims++
				if len(gone) == 0 {
					t.Fatalf("nothing is missing, and %v is said", body.Missing)
				}
			}
			if !restated { // every bar has one place in the sequence
				b.check(t, body, low, high)
				plain++
			}
		}
		limit := rapid.IntRange(2, 60).Draw(t, "limit")
		if from := rapid.Int64Range(0, b.at).Draw(t, "from") * minute; rapid.Bool().Draw(t, "forwards") {
			for next, pages := &from, 0; next != nil; pages++ {
				if pages > 400 {
					t.Fatal("paging does not end")
				}
				_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&from=%d&limit=%d", *next, limit))
				body := decode[deepBody](&fatal{T: t}, text)
				end := int64(1) << 60
				if body.Next != nil {
					end = *body.Next
				}
				hold(body, *next, end)
				next = body.Next
			}
			return
		}
		for to := int64(1) << 50; ; {
			_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&to=%d&limit=%d", to, limit))
			body := decode[deepBody](&fatal{T: t}, text)
			low := int64(0)
			if len(body.Bars) == limit {
				low = body.Bars[0].At
			}
			hold(body, low, to)
			if len(body.Bars) == 0 {
				return
			}
			to = body.Bars[0].At
		}
	})
	if plain == 0 || claims == 0 {
		t.Errorf("%d pages were held against all bars, %d told of a gap: the generator does not do its work", plain, claims)
	}
}

// The cases by hand: what the sequence proves, and where it proves nothing.
func TestTheSequenceTellsWhatIsMissing(t *testing.T) {
	const late = 5
	row := func(at, seq int64, rev int32) publication { return publication{t: at, seq: seq, rev: rev} }
	file := publication{t: 12, imported: true}
	for _, c := range []struct {
		name  string
		rows  []publication
		first bool
		want  string
	}{
		{"nothing", nil, true, "[]"},
		{"whole", []publication{row(10, 1, 0), row(11, 2, 0), row(14, 3, 0)}, true, "[]"},
		{"one of the middle", []publication{row(10, 1, 0), row(11, 2, 0), row(14, 4, 0)}, true, "[{12 14}]"},
		{"no room for a bar", []publication{row(10, 1, 0), row(11, 2, 0), row(12, 4, 0)}, true, "[]"},
		{"a series that nobody restates begins later", []publication{row(10, 7, 0), row(11, 8, 0)}, true, fmt.Sprintf("[{%d 10}]", firstOpen)},
		{"the same, and older ones may be elsewhere", []publication{row(10, 7, 0), row(11, 8, 0)}, false, "[]"},
		{"a restatement explains it", []publication{row(10, 3, 1), row(11, 2, 0), row(14, 4, 0)}, true, "[]"},
		{"one does not explain two", []publication{row(10, 3, 1), row(11, 2, 0), row(14, 5, 0)}, true, "[{12 14}]"},
		{"one before these rows may", []publication{row(10, 2, 0), row(14, 4, 0), row(15, 5, 0)}, false, "[]"},
		{"it is too old for that", []publication{row(1, 1, 0), row(10, 2, 0), row(14, 4, 0)}, false, "[{11 14}]"},
		{"bars between were born late", []publication{row(10, 1, 0), row(12, 3, 2), row(15, 5, 0)}, true, "[]"},
		{"and one is missing", []publication{row(10, 1, 0), row(12, 3, 1), row(15, 6, 0)}, true, "[{11 12} {13 15}]"},
		{"a file may stand for them", []publication{row(10, 1, 0), file, row(15, 6, 0)}, true, "[]"},
		{"a sequence that begins anew", []publication{row(10, 90, 0), row(20, 3, 0), row(21, 4, 0)}, false, "[]"},
	} {
		if got := fmt.Sprint(holes(slices.Clone(c.rows), 1, late, c.first)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A healthy store is asked no more than before: a page, and where it meets memory.
func TestAWholeSeriesCostsNoFurtherQuestion(t *testing.T) {
	b := seamBed(200)
	for query, most := range map[string]int64{"from=600000&limit=5": 1, "limit=50": 2, "to=9000000&limit=50": 2} {
		before := b.store.asked.Load()
		if a, text := b.get(t, query); a.Missing != nil || !strings.Contains(a.Source(), "postgres") {
			t.Fatalf("%s: %s", query, text)
		}
		if n := b.store.asked.Load() - before; n > most {
			t.Errorf("%s asked %d times, want %d at most", query, n, most)
		}
	}
}

// A history that was pointed at another database has the name of the one before, and
// nothing of what that held: the log is read, as for any store that lags.
func TestAnotherDatabaseOfTheSameNameIsNotBelievedWhole(t *testing.T) {
	b := seamBed(200)
	b.log.recs = b.all
	if a, text := b.get(t, "limit=50"); a.Missing != nil {
		t.Fatal(text)
	}
	other := newFakeStore()
	other.take(b.all[:5]...)
	b.h.SetStores([]Store{other}, StoreConfig{Timeout: time.Minute})
	a, text := b.get(t, "from=600000&limit=5")
	if body := decode[deepBody](t, text); len(body.Bars) != 5 || body.Bars[0].At != 600_000 || a.Missing != nil {
		t.Errorf("%d bars: %s", len(body.Bars), text)
	}
}

// A value over bars that are not neighbours is none: the computation begins behind
// the hole, also where the hole is before the page.
func TestValuesBeginAnewBehindAHole(t *testing.T) {
	b := seamBed(200)
	for at := int64(90); at < 100; at++ {
		delete(b.store.bars["A@1m"], at*minute)
	}
	d := b.h.deepRead(t.Context(), b.h.symbols["A"].groups[0], &Range{HasFrom: true, From: 110 * minute, Limit: 20}, nil)
	d.ctx, d.reach = t.Context(), 196*minute
	d.page.origin = &origin{}
	bars, err := d.ask(BarQuery{From: 110 * minute, To: 130 * minute, Limit: 20}, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bars {
		d.page.bars.put(bars[i].t, bars[i].row)
	}
	d.store = places(bars)
	found, err := d.seed(50)
	if err != nil || len(found) != 10 || found[0].OpenTime != 100*minute || d.page.origin.whole {
		t.Errorf("%d bars before the page, whole %v, %v", len(found), d.page.origin.whole, err)
	}
}
