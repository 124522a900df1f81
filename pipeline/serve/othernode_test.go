package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"pgregory.net/rapid"
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

// Nodes read the log in pieces of their own. Where one reads several restatements at
// once and another one by one, a client that moves between the two has the values of
// all of them in the end, wherever it is cut and however often.
func TestWhoMovesBetweenNodesThatReadInOtherPiecesHasAllValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var recs []Record
		newest, rev := int64(19), map[int64]int{}
		for so := range rapid.Int64Range(1, 8).Draw(t, "records") {
			n := newest + 1
			if back := rapid.Int64Range(-1, 6).Draw(t, "back"); back >= 0 {
				n = newest - back
				rev[n]++
			} else {
				newest = n
			}
			m := bare("BTC", n, rev[n], 20+so)
			m.close = fmt.Sprint(1000 + 7*so)
			recs = append(recs, m.record(20+so, 20+so, 0))
		}
		var nodes [2]*Hub
		for i := range nodes {
			nodes[i], _ = demandHub(nil)
			closeBars(nodes[i], 10, 20)
			get(t, nodes[i], "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)")
		}
		const query = "s=BTC@1m:kline,mine/decay(0.25)"
		known, id := map[string]string{}, ""
		var wt []int64
		var wv []string
		take := func(ms []message) {
			for _, m := range ms {
				for i := range wt {
					if m.event == eventReset { // the client reads its history anew
						known[fmt.Sprint(wt[i])] = wv[i]
					}
				}
				if m.event != eventRevise || strings.Contains(m.data, `"ind":`) {
					note(t, known, "event: "+m.event+"\ndata: "+m.data+"\n\n")
				}
				if m.id != "" {
					id = m.id
				}
			}
		}
		first := stream(t, nodes[0], query+"&snapshot=1000", "")
		take(read(t, first))
		for i := range nodes {
			for rest := recs; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
				nodes[i].Apply(0, rest[:n])
				rest = rest[n:]
			}
		}
		told := read(t, first)
		first.Close()
		wt, wv = wantValues(nodes[0], "BTC", 0.25)
		for hop := 1; ; hop++ {
			cut := rapid.IntRange(0, len(told)).Draw(t, "cut")
			take(told[:cut])
			if hop > 4 {
				take(told[cut:])
				break
			}
			s := stream(t, nodes[hop%2], query, id)
			told = read(t, s)
			s.Close()
		}
		for i := range wt {
			if known[fmt.Sprint(wt[i])] != wv[i] {
				t.Fatalf("bar %d is %q, want %s", wt[i]/minute, known[fmt.Sprint(wt[i])], wv[i])
			}
		}
	})
}
