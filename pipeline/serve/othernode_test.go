package serve

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// saying is an event without the id, which names how far a node is.
func saying(ms []message) (out []string) {
	for _, m := range ms {
		if m.event != eventPos {
			out = append(out, m.event+" "+m.data)
		}
	}
	return out
}

// A client that is cut in the middle of a record and comes to another node gets each
// event once, though that node was asked for other series and in another order.
func TestWhoComesToAnotherNodeInTheMiddleOfARecordGetsEachEventOnce(t *testing.T) {
	for query, asked := range map[string][]string{
		"s=BTC@1m:kline,ema(3),mine/decay(0.25),mine/decay(0.5)": {"0.75", "0.5", "3", "0.25", "2"},
		"s=BTC@1m:kline,ema(3)":                                  {},
		"s=BTC@1m:kline,mine/decay(0.5)":                         {"0.5"},
	} {
		a, _ := demandHub(nil)
		b, _ := demandHub(nil)
		batch := []Record{testBar("BTC", 20, 20).record(20, 20, 0), testBar("BTC", 21, 21).record(21, 21, 0), bare("BTC", 18, 1, 22).record(22, 22, 0)}
		for h, list := range map[*Hub][]string{a: {"0.25", "0.5", "1"}, b: asked} {
			closeBars(h, 10, 20)
			for _, n := range list {
				get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay("+n+")")
			}
		}
		s := stream(t, a, query, "")
		read(t, s)
		a.Apply(0, batch)
		b.Apply(0, batch)
		told := read(t, s)
		s.Close()
		for i, m := range told {
			s := stream(t, b, query, m.id)
			if got, want := saying(read(t, s)), saying(told[i+1:]); !slices.Equal(got, want) {
				t.Errorf("%s: behind %s came\n%q\nwant\n%q", query, m.id, got, want)
			}
			s.Close()
		}
	}
}

// Two names of one rank would be one place in the record: who has the first would
// never get the second.
func TestSeriesOnDemandOfOneSymbolHavePlacesOfTheirOwn(t *testing.T) {
	seen, pair := map[uint64]string{}, []string(nil)
	for n := 1; pair == nil; n++ {
		name := fmt.Sprintf("mine/decay(%d)", n)
		bits := xxhash.Sum64String(name) & (firstRank - 1)
		if other, ok := seen[bits]; ok {
			pair = []string{other, name}
		}
		seen[bits] = name
	}
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	query := "s=BTC@1m:" + pair[0] + "," + pair[1]
	s := stream(t, h, query, "")
	read(t, s)
	closeBars(h, 20, 21)
	told := read(t, s)
	s.Close()
	s = stream(t, h, query, told[0].id)
	defer s.Close()
	if got, want := saying(read(t, s)), saying(told[1:]); len(want) != 1 || !slices.Equal(got, want) {
		t.Errorf("behind %s came %q, want %q", told[0].id, got, want)
	}
}
