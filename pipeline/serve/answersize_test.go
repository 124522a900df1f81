package serve

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// answered answers a URL with a Reserve.
func answered(t *testing.T, h *Hub, target string, r Reserve) (Answer, error) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var p *Problem
	var answer func() (Answer, error)
	switch u.Path {
	case "/v1/klines":
		var q KlinesQuery
		q, p = h.ParseKlines(u.Query(), 0)
		q.Reserve = r
		answer = func() (Answer, error) { return h.Klines(t.Context(), q) }
	case "/v1/values":
		var q ValuesQuery
		q, p = h.ParseValues(t.Context(), u.Query(), 0)
		q.Reserve = r
		answer = func() (Answer, error) { return h.Values(t.Context(), q) }
	case "/v1/bundle":
		var q BundleQuery
		q, p = h.ParseBundle(t.Context(), u.Query(), 0)
		q.Selection.Reserve = r
		answer = func() (Answer, error) { return h.Bundle(t.Context(), q, "") }
	default:
		var sel Selection
		sel, p = h.ParseLatest(t.Context(), u.Query())
		sel.Reserve = r
		answer = func() (Answer, error) { return h.Latest(t.Context(), sel, "") }
	}
	if p != nil {
		t.Fatal(target, p)
	}
	return answer()
}

// deepMemory is a hub with bars 1 to 300 of A, and some of B, of which 80 are in
// memory, and with forming ones.
func deepMemory() (*Hub, *keptLog) {
	cfg := testConfig(1)
	cfg.ViewBars = 80
	h, log := NewHub(cfg), &keptLog{}
	h.Loaded()
	h.SetArchive(log)
	h.SetComputer(&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
	for i := range int64(300) {
		log.recs = append(log.recs, testBar("A", i+1, i+1).record(2*i, 2*i, 0))
		if i%3 != 1 { // with empty buckets, and bars without values
			b := testBar("B", i+1, i+1)
			b.values = int(i % 2)
			log.recs = append(log.recs, b.record(2*i+1, 2*i+1, 0))
		}
	}
	h.Apply(0, log.recs)
	for _, sym := range []string{"A", "B"} {
		f := testBar(sym, 301, 301)
		f.final = false
		h.Forming(0, [][]byte{f.json()})
	}
	return h, log
}

// sizedTargets are answers of all routes and shapes, of memory and of what is behind it.
func sizedTargets() (targets []string) {
	for _, span := range []string{"", "&limit=40&closed=1", "&limit=250", "&from=3000000", fmt.Sprintf("&from=%d&limit=30", 240*minute)} {
		for _, s := range []string{"A", "A,B@1m:kline,ema(3),macd(2,3,2),mine/decay(0.25)", "B@1m:ema(3),mine/decay(0.5)"} {
			if !strings.Contains(s, "@") {
				s += "@1m"
			}
			targets = append(targets, "/v1/bundle?s="+s+span, "/v1/bundle?format=columns&s="+s+span)
		}
		for _, sym := range []string{"A", "B"} {
			for _, format := range []string{FormatNative, FormatLWC, FormatColumns, FormatCSV, "native&exact=1", "native&src=1"} {
				targets = append(targets, "/v1/klines?sym="+sym+"&itv=1m&format="+format+span)
			}
			for _, ind := range []string{"ema(3)", "macd(2,3,2)", "mine/decay(0.25)"} {
				targets = append(targets, "/v1/values?sym="+sym+"&itv=1m&ind="+ind+span)
			}
		}
	}
	return append(targets, "/v1/latest?s=A,B@1m,5m:kline,ema(3),mine/decay(0.25)")
}

func TestAnAnswerReservesAboutWhatItTakes(t *testing.T) {
	h, _ := deepMemory()
	for _, target := range sizedTargets() {
		first, most := 0, 0
		a, err := answered(t, h, target, func(n int) error {
			if first == 0 {
				first = n
			}
			most = max(most, n)
			return nil
		})
		if err != nil {
			t.Fatal(target, err)
		}
		if n := len(a.Body); first == 0 || most < n || most > 8*n+8*headSize {
			t.Errorf("%s: %d bytes, reserved %d at first and %d at most", target, n, first, most)
		}
	}
}

func TestAnAnswerWithoutRoomIsNotBuilt(t *testing.T) {
	h, log := deepMemory()
	full := errors.New("full")
	for _, target := range sizedTargets() {
		log.reads = 0
		if a, err := answered(t, h, target, func(int) error { return full }); !errors.Is(err, full) || a.Body != nil {
			t.Errorf("%s: %d bytes, %v", target, len(a.Body), err)
		}
		if log.reads > 0 {
			t.Errorf("%s: %d records of the log were read", target, log.reads)
		}
	}
}

// What is known of the rows when they are there counts, not the estimate alone.
func TestABundleReservesMoreWhereItBecomesLarger(t *testing.T) {
	h, _ := deepMemory()
	full := errors.New("full")
	near := 0
	a, err := answered(t, h, "/v1/bundle?s=A,B@1m&limit=250", func(n int) error {
		if near == 0 {
			near = n
		}
		if n > near {
			return full
		}
		return nil
	})
	if near == 0 || !errors.Is(err, full) {
		t.Errorf("with room for %d bytes of memory alone: %d bytes, %v", near, len(a.Body), err)
	}
}
