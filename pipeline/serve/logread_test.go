package serve

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// movingLog is a log to which bars are added while it is read.
type movingLog struct {
	keptLog
	h    *Hub
	meet func() // called once a read has begun
}

// Read implements LogReader: what is added meanwhile stands behind the end of a read.
func (l *movingLog) Read(ctx context.Context, p int32, from, to int64, fn func(Record) bool) error {
	was := keptLog{recs: l.recs}
	if meet := l.meet; meet != nil {
		l.meet = nil
		meet()
	}
	return was.Read(ctx, p, from, to, fn)
}

// add closes the bars first to last-1 of A.
func (l *movingLog) add(first, last int64) {
	for n := first; n < last; n++ {
		r := testBar("A", n, n).record(n, n, 0)
		l.recs = append(l.recs, r)
		l.h.Apply(0, []Record{r})
	}
}

// moving has the bars 1 to 199, ten of them in memory, and a log that has 300 more
// each time that it is read.
func moving() (*Hub, *movingLog) {
	cfg := testConfig(1)
	cfg.ViewBars = 10
	l := &movingLog{h: NewHub(cfg)}
	l.h.Loaded()
	l.h.SetArchive(l)
	l.add(1, 200)
	l.meet = func() { l.add(200, 500) }
	return l.h, l
}

func TestBarsThatLeaveMemoryWhileTheLogIsReadAreNotMissed(t *testing.T) {
	for query, want := range map[string][2]int64{
		fmt.Sprintf("from=%d&to=%d&limit=1000", 150*minute, 498*minute): {150, 199},
		fmt.Sprintf("from=%d&limit=40", 150*minute):                     {150, 189},
		"limit=100&closed=1":                      {100, 199},
		fmt.Sprintf("to=%d&limit=50", 195*minute): {145, 194},
	} {
		for _, route := range []string{"/v1/klines?", "/v1/values?ind=ema(3)&"} {
			h, _ := moving()
			a, text := get(t, h, route+"sym=A&itv=1m&"+query)
			b := decode[struct {
				Bars []struct {
					At int64 `json:"t"`
				}
				Rows [][]float64
			}](t, text)
			var got []int64
			for _, k := range b.Bars {
				got = append(got, k.At/minute)
			}
			for _, r := range b.Rows {
				got = append(got, int64(r[0])/minute)
			}
			if n := int64(len(got)); n != want[1]-want[0]+1 || got[0] != want[0] || got[n-1] != want[1] {
				t.Errorf("%s%s: bars %v, want %v", route, query, got, want)
			}
			if a.Cache == CacheHistory {
				t.Errorf("%s%s: a page that ends early is kept for an hour", route, query)
			}
		}
	}
}

// The value in progress is that of the bar in progress of the same answer.
func TestABarThatClosesWhileTheLogIsReadHasNoValueOfTheNext(t *testing.T) {
	h, l := moving()
	h.SetComputer(&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
	target := "/v1/values?sym=A&itv=1m&ind=mine/decay(0.25)&limit=100"
	get(t, h, target+"&closed=1") // from now on it is computed
	l.add(500, 501)
	form := func(n int64) {
		m := bare("A", n, 0, n-1)
		m.final = false
		h.Forming(0, [][]byte{m.json()})
		h.previewGroup(h.find("A", "1m"))
	}
	form(501)
	l.meet = func() {
		l.add(501, 502)
		form(502)
	}
	_, text := get(t, h, target)
	rows := decode[struct{ Rows [][]*float64 }](t, text).Rows
	if n := len(rows); n != 100 || *rows[n-1][0] != 501*minute || *rows[n-2][0] != 500*minute || rows[n-1][1] == nil {
		t.Errorf("%s", text)
	}
}

// A page that begins behind memory has the values of the bars that it shares with
// one that begins earlier, however far apart the bars are.
func TestValuesOnDemandOfAQuietSeriesDoNotDependOnThePage(t *testing.T) {
	cfg := testConfig(1)
	cfg.ViewBars = 10
	h, log := NewHub(cfg), &keptLog{}
	h.Loaded()
	h.SetArchive(log)
	h.SetComputer(&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}})
	const apart = 30 // minutes
	for i := range int64(300) {
		log.recs = append(log.recs, bare("A", (i+1)*apart, 0, i+1).record(i, i, 0))
	}
	h.Apply(0, log.recs)
	page := func(from int64) map[float64][]float64 {
		_, text := get(t, h, fmt.Sprintf("/v1/values?sym=A&itv=1m&ind=mine/decay(0.25)&from=%d&limit=60", from*apart*minute))
		rows := map[float64][]float64{}
		for _, r := range decode[struct{ Rows [][]float64 }](t, text).Rows {
			rows[r[0]] = r
		}
		return rows
	}
	for _, from := range []int64{20, 64, 66, 68, 75, 128, 129, 200, 240} {
		early, late := page(from-15), page(from)
		if len(late) != 60 {
			t.Fatalf("a page of %d rows", len(late))
		}
		for at, r := range late {
			if want, both := early[at]; both && !slices.Equal(r, want) {
				t.Errorf("bar %d is %v in a page that begins at bar %d, %v in an earlier one", int64(at)/minute/apart, r, from, want)
			}
		}
	}
}
