package serve

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

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

// absorbed has the newest records of a log followed, and those before absorbed in
// pieces of so many records.
func absorbed(cfg *HubConfig, log *keptLog, tail, piece int) *Hub {
	h := NewHub(*cfg)
	h.Loaded()
	h.SetArchive(log)
	h.Partial(true)
	end := max(len(log.recs)-tail, 0)
	h.Apply(0, log.recs[end:])
	for end > 0 {
		old := h.Sibling()
		from := max(end-piece, 0)
		old.Apply(0, log.recs[from:end])
		h.Absorb(old)
		end = from
	}
	h.Partial(false)
	return h
}

// A piece of the past may have more bars of a series than memory has room for: one of
// those that left is not put before the others when it is restated.
func TestABarThatLeftMemoryInsideAPieceIsNotPutBack(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewMemory = 200_000
	for bars := int64(2000); bars < 2040; bars += 2 { // some pieces end right behind a cut, and fit in whole
		log := &keptLog{}
		for n := range bars {
			log.recs = append(log.recs, bare("A", n+1, 0, n+1).record(n, n, 0))
		}
		log.recs = append(log.recs, bare("B", bars, 0, 1).record(bars, bars, 0))
		h := absorbed(&cfg, log, 1, len(log.recs))
		before := h.find("A", "1m").closedBars()
		if n := int64(len(before)); n < keepBars || n == bars {
			t.Fatalf("%d bars are in memory", n)
		}
		h.Apply(0, []Record{bare("A", 5, 1, bars+1).record(bars+1, bars+1, 0)})
		if oldest := h.find("A", "1m").closedBars()[0]; oldest.OpenTime < before[0].OpenTime {
			t.Errorf("of %d bars memory holds those from %d on, before it were those from %d on", bars, oldest.OpenTime/minute, before[0].OpenTime/minute)
		}
	}
}

// The end of the log may hold nothing but the markers of transactions: what is before
// memory is read from the log though.
func TestALogWhoseEndHasNoRecordsIsReadBehindMemory(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewBars = 3
	log := &keptLog{}
	for n := range int64(10) {
		log.recs = append(log.recs, bare("A", n+1, 0, n+1).record(n, n, 0))
	}
	h := absorbed(&cfg, log, 0, 100)
	_, text := get(t, h, "/v1/klines?sym=A&itv=1m&from=1&limit=100")
	if body := decode[deepBody](t, text); len(body.Bars) != 10 || len(body.Missing) > 0 {
		t.Errorf("%d bars: %s", len(body.Bars), text)
	}
}

// A node of many series finds a few bars of each in a piece of its past. Pages that
// begin in the log are as long as they should be though.
func TestPagesOfTheLogAreAsIfFollowedAfterAPastOfSmallPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig(1)
		cfg.ViewBars = rapid.SampledFrom([]int{5, 40}).Draw(t, "view_bars")
		whole, log := NewHub(cfg), &keptLog{}
		whole.Loaded()
		whole.SetArchive(log)
		truth := sorted(fill(t, whole, log, rapid.IntRange(50, 300).Draw(t, "bars")))
		tail := absorbed(&cfg, log, rapid.IntRange(1, 40).Draw(t, "tail"), rapid.IntRange(1, 60).Draw(t, "piece"))
		query := fmt.Sprint("sym=A&itv=1m&closed=1&limit=", rapid.IntRange(1, 400).Draw(t, "limit"))
		if rapid.Bool().Draw(t, "to?") {
			query += fmt.Sprint("&to=", rapid.SampledFrom(truth).Draw(t, "to"))
		}
		for _, target := range []string{"/v1/klines?" + query, "/v1/values?ind=ema(3)&" + query} {
			if want, got := answer(t, whole, target), answer(t, tail, target); want != got {
				t.Fatalf("%s:\n got %s\nwant %s", target, got, want)
			}
		}
	})
}

// The same with a database that lags, or is away.
func TestTheLogFillsUpForAStoreAfterAPastOfSmallPieces(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewBars = 10
	log := &keptLog{}
	for i := range int64(600) {
		log.recs = append(log.recs, testBar("A", i+1, i+1).record(i, i, 0))
	}
	for _, away := range []error{nil, errors.New("away")} {
		h, s := absorbed(&cfg, log, 20, 5), newFakeStore()
		h.SetStores([]Store{s}, StoreConfig{Timeout: time.Minute})
		s.take(log.recs[:100]...)
		s.failWith(away)
		a, text := get(t, h, "/v1/klines?sym=A&itv=1m&limit=300&closed=1")
		if n := len(decode[deepBody](t, text).Bars); n != 300 || a.Missing != nil {
			t.Errorf("store %v: %d bars of 300, missing %q", away, n, a.MissingText())
		}
	}
}

func TestTheIndexOfAPastOfSmallPiecesLeavesMemoryToBars(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewMemory = 256 << 10
	log := &keptLog{}
	for i := range int64(2000) {
		for k := range int64(10) {
			m := bare(fmt.Sprint("S", k), i+1, 0, i+1)
			log.recs = append(log.recs, m.record(i*10+k, i*10+k, 0))
		}
	}
	whole := NewHub(cfg)
	whole.Apply(0, log.recs)
	tail := absorbed(&cfg, log, 500, 20)
	if a, b := barsIn(whole), barsIn(tail); b < a/2 {
		t.Errorf("%d bars are in memory, %d if followed", b, a)
	}
}

// barsIn is how many bars memory holds.
func barsIn(h *Hub) (n int) {
	for _, s := range h.symbols {
		for _, g := range s.groups {
			if g != nil {
				n += g.bars.len()
			}
		}
	}
	return n
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
