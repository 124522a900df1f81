package serve

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// storedWhole are the values of all bars by hand.
func (b *deepBed) decayed(factor float64) map[int64]string {
	out, last := map[int64]string{}, 0.0
	held := b.store.bars["A@1m"]
	for _, t := range slices.Sorted(maps.Keys(held)) {
		var k wire.KlineRecord
		if wire.DecodeKline(held[t], &k) != nil {
			panic("a record that cannot be read")
		}
		last = last/2 + float64(factor*recordBar(&k).Close)
		out[t] = fmt.Sprint(last)
	}
	return out
}

type valuesBody struct {
	Rows    [][]json.Number
	Missing [][2]*int64
	Seed    *struct {
		At    int64 `json:"t"`
		Whole bool
	}
}

// Values behind memory are those of a computation of the whole series, where the
// store holds it or the warm-up has forgotten what was before.
func TestValuesBehindMemoryEqualAWholeComputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(5)
		c := &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}}
		b.h.SetComputer(c)
		b.grow(t, rapid.IntRange(20, 300).Draw(t, "records"))
		b.store.take(b.all...)
		want := b.decayed(3)
		limit := rapid.IntRange(1, 100).Draw(t, "limit")
		query := fmt.Sprintf("/v1/values?sym=A&itv=1m&closed=1&ind=mine/decay(3)&limit=%d", limit)
		if rapid.Bool().Draw(t, "from?") {
			query += fmt.Sprint("&from=", rapid.Int64Range(0, b.at*minute).Draw(t, "from"))
		}
		_, text := get(&fatal{T: t}, b.h, query)
		body := decode[valuesBody](&fatal{T: t}, text)
		for _, row := range body.Rows {
			at, _ := row[0].Int64()
			// Half of the last value: 80 bars of warm-up leave nothing of what was before.
			if row[1].String() != want[at] {
				t.Fatalf("%s: value of %d is %s, want %s", query, at, row[1], want[at])
			}
		}
		if len(want) <= 5 || len(body.Rows) == 0 {
			return // memory holds all of it, or there is none
		}
		if body.Seed == nil || body.Seed.At > mustInt(body.Rows[0][0]) {
			t.Fatalf("%s: seed %+v", query, body.Seed)
		}
		if first := slices.Min(slices.Collect(maps.Keys(want))); body.Seed.Whole != (body.Seed.At == first) {
			t.Fatalf("%s: seed %+v, the store begins at %d", query, body.Seed, first)
		}
		if c.open.Load() > 1 { // that of memory
			t.Fatalf("%d states were left open", c.open.Load())
		}
	})
}

func mustInt(n json.Number) int64 { v, _ := n.Int64(); return v }

// Values over a gap begin anew behind it.
func TestValuesDoNotRunOverAGap(t *testing.T) {
	b := newDeepBed(4)
	c := &decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}}
	b.h.SetComputer(c)
	for range 40 {
		b.at++
		b.bar(0)
	}
	b.store.take(b.all[:20]...)
	b.log.recs = nil
	_, text := get(t, b.h, "/v1/values?sym=A&itv=1m&ind=mine/decay(1)&limit=10")
	body := decode[valuesBody](t, text)
	if len(body.Missing) != 1 || *body.Missing[0][0] != 21*minute || *body.Missing[0][1] != 37*minute {
		t.Fatalf("missing %+v in %s", body.Missing, text)
	}
	for _, row := range body.Rows {
		if mustInt(row[0]) == 37*minute && row[1].String() != "137.5" {
			t.Errorf("the first value behind the gap is %s, want that of its bar alone", row[1])
		}
	}
}
