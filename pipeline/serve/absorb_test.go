package serve

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// logOf makes up the log of one partition: bars of two symbols and two lengths,
// bars restated later, and the values that those changed.
func logOf(t *rapid.T) []Record {
	var log []Record
	newest := map[string]int64{}
	seq := map[string]int64{}
	add := func(value []byte, kind string) {
		n := int64(len(log))
		log = append(log, Record{Offset: 2*n + 5, So: n, Sk: 0, Kind: kind, Value: value})
	}
	for range rapid.IntRange(1, 60).Draw(t, "records") {
		sym, itv := rapid.SampledFrom([]string{"A", "B"}).Draw(t, "sym"), rapid.SampledFrom([]string{"1m", "5m"}).Draw(t, "itv")
		key := sym + itv
		seq[key]++
		m := made{sym: sym, itv: itv, seq: seq[key], close: fmt.Sprint(100+len(log), ".5"), final: true, id: "1", values: 2}
		back := rapid.Int64Range(0, 12).Draw(t, "back")
		if back == 0 || back >= min(newest[key], 6) {
			newest[key] += rapid.Int64Range(1, 3).Draw(t, "gap")
			m.t = newest[key] * minute
			add(m.json(), KindKline)
			continue
		}
		m.t, m.rev = (newest[key]-back)*minute, len(log)
		add(m.json(), KindKline)
		seq[key]++
		values := restatedJSON(sym, "ema(3)", m.rev, seq[key], m.t/minute+back/2)
		add(bytes.Replace(values, []byte(`"itv":"1m"`), []byte(`"itv":"`+itv+`"`), 1), KindRestated)
	}
	return log
}

// answer is the body of a route, without the position: that of a series that the
// tail does not hold is where the tail began.
func answer(t *rapid.T, h *Hub, target string) string {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	a, problem, err := route(h, u)
	if problem != nil || err != nil {
		t.Fatalf("%s: %v %v", target, problem, err)
	}
	head, rest, _ := strings.Cut(string(a.Body), `"pos":"`)
	_, rest, _ = strings.Cut(rest, `"`)
	return head + rest
}

func TestAPastAbsorbedInPiecesIsAsIfFollowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := logOf(t)
		whole := testHub(1)
		whole.Apply(0, log)
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(log)), 1, 4).Draw(t, "cuts")
		slices.Sort(cuts)
		tail := testHub(1)
		tail.Partial(true)
		tail.Apply(0, log[cuts[len(cuts)-1]:])
		end := cuts[len(cuts)-1]
		for i := len(cuts) - 2; i >= -1; i-- {
			from := 0
			if i >= 0 {
				from = cuts[i]
			}
			old := tail.Sibling()
			old.Apply(0, log[from:end])
			tail.Absorb(old)
			end = from
		}
		tail.Partial(false)
		for _, sym := range []string{"A", "B"} {
			for _, itv := range []string{"1m", "5m"} {
				for _, route := range []string{"klines", "values"} {
					target := "/v1/" + route + "?sym=" + sym + "&itv=" + itv + "&limit=1000&from=1"
					if route == "values" {
						target += "&ind=ema(3)"
					}
					want, got := answer(t, whole, target), answer(t, tail, target)
					if want != got {
						t.Fatalf("cuts %v, %s:\n got %s\nwant %s", cuts, target, got, want)
					}
				}
			}
		}
	})
}

func TestABarInProgressIsShownThoughItsSeriesWasNotReadYet(t *testing.T) {
	h := testHub(1)
	h.Partial(true)
	h.Apply(0, []Record{testBar("A", 5, 5).record(100, 5, 0)})
	open := made{sym: "A", itv: "1h", t: 0, seq: 77, close: "1", id: "1"}
	h.Interested("A", "1h")
	h.Forming(0, [][]byte{open.json()})
	if _, got := get(t, h, "/v1/klines?sym=A&itv=1h&limit=1"); !strings.Contains(got, `"final":false`) {
		t.Errorf("%s", got)
	}
	// Once the log was read whole, a bar ahead of it waits for its record.
	h.Partial(false)
	g := testHub(1)
	g.Apply(0, []Record{testBar("A", 5, 5).record(100, 5, 0)})
	g.Forming(0, [][]byte{open.json()})
	if _, got := get(t, g, "/v1/klines?sym=A&itv=1h&limit=1"); strings.Contains(got, `"final":false`) {
		t.Errorf("%s", got)
	}
}
