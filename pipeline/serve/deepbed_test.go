package serve

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// deepBed is a hub with little memory, a log that retains some of it, and a store
// that lags.
type deepBed struct {
	h     *Hub
	store *fakeStore
	log   *keptLog
	all   []Record // of the whole log
	truth map[int64]string
	revs  map[int64]int
	at    int64 // of the newest bar, minutes
	seq   int64
	late  int // one of so many records and one more is late
}

func newDeepBed(viewBars int) *deepBed {
	cfg := testConfig(1)
	cfg.ViewBars = viewBars
	b := &deepBed{late: 4, h: NewHub(cfg), store: newFakeStore(), log: &keptLog{}, truth: map[int64]string{}, revs: map[int64]int{}}
	b.h.Loaded()
	b.h.SetArchive(b.log)
	b.h.SetStores([]Store{b.store}, StoreConfig{Timeout: time.Minute})
	return b
}

// bar applies one record: the bar back minutes before the newest one, restated if
// it was there already.
func (b *deepBed) bar(back int64) {
	use := b.at - back
	rev := 0
	if _, known := b.truth[use*minute]; known || back > 0 { // one that is born late begins with revision 1
		b.revs[use*minute]++
		rev = b.revs[use*minute]
	}
	b.seq++
	m := testBar("A", use, b.seq)
	m.rev, m.wm = rev, b.at*minute+minute
	offset := int64(len(b.all))
	rec := m.record(offset, offset, 0)
	b.h.Apply(0, []Record{rec})
	b.all, b.log.recs = append(b.all, rec), append(b.log.recs, rec)
	b.truth[use*minute] = fmt.Sprint(rev, " ", b.seq)
}

// grow makes n bars with holes between them and restatements within the lateness.
func (b *deepBed) grow(t *rapid.T, n int) {
	for range n {
		if b.at > 4 && rapid.IntRange(0, max(b.late, 1)).Draw(t, "late") == 0 {
			b.bar(rapid.Int64Range(0, 1).Draw(t, "back"))
			continue
		}
		b.at += rapid.Int64Range(1, 3).Draw(t, "step")
		b.bar(0)
	}
}

type deepBody struct {
	Bars []struct {
		At  int64 `json:"t"`
		End int64 `json:"T"`
		Rev int
		Seq int64
	}
	Next    *int64
	Missing [][2]*int64
}

// check holds one page against the truth: every bar from low up to the end of the
// page is in it once, in its newest revision, or the answer says that it may lack
// it.
func (b *deepBed) check(t *rapid.T, body deepBody, low, high int64) (gaps int) {
	got := map[int64]bool{}
	last := int64(-1)
	for _, k := range body.Bars {
		if k.At <= last || k.At < low || k.At >= high {
			t.Fatalf("bar %d after %d in a page of [%d,%d)", k.At, last, low, high)
		}
		last = k.At
		got[k.At] = true
		if want := b.truth[k.At]; want != fmt.Sprint(k.Rev, " ", k.Seq) {
			t.Fatalf("bar %d is rev %d seq %d, want %s", k.At, k.Rev, k.Seq, want)
		}
	}
	for at := range b.truth {
		if at < low || at >= high || got[at] {
			continue
		}
		if !slices.ContainsFunc(body.Missing, func(m [2]*int64) bool { return (m[0] == nil || *m[0] <= at) && at < *m[1] }) {
			t.Fatalf("bar %d of [%d,%d) is missing and the answer does not say so: %+v", at, low, high, body)
		}
	}
	return len(body.Missing)
}

// seamBed has the bars of minutes 1 to n, 4 of them in memory, all in the store.
func seamBed(n int64) *deepBed {
	b := newDeepBed(4)
	for range n {
		b.at++
		b.bar(0)
	}
	b.store.take(b.all...)
	b.log.recs = nil
	return b
}

func (b *deepBed) get(t testing.TB, query string) (Answer, string) {
	t.Helper()
	return get(t, b.h, "/v1/klines?sym=A&itv=1m&"+query)
}
