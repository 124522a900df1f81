package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The pages behind memory have every bar once in its newest revision, however far
// the store lags and whatever the log still holds; what nobody holds is said.
func TestPagesAcrossTheSeamHaveNoHoleAndNoDouble(t *testing.T) {
	said, whole := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(rapid.SampledFrom([]int{3, 7, 40}).Draw(t, "view_bars"))
		b.grow(t, rapid.IntRange(1, 250).Draw(t, "records"))
		lag := rapid.SampledFrom([]int{0, 1, 5, 30, 100, 1000}).Draw(t, "lag")
		retained := rapid.SampledFrom([]int{0, 5, 30, 1000}).Draw(t, "retained")
		settle := func() {
			b.store.take(b.all[:max(len(b.all)-lag, 0)]...)
			b.log.recs = b.all[max(len(b.all)-retained, 0):]
		}
		settle()
		gaps := 0
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		if rapid.Bool().Draw(t, "forwards") {
			for next, pages := new(int64), 0; next != nil; pages++ {
				if pages > 600 {
					t.Fatal("paging does not end")
				}
				_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&from=%d&limit=%d", *next, limit))
				body := decode[deepBody](&fatal{T: t}, text)
				end := int64(1) << 60
				if body.Next != nil {
					if end = *body.Next; len(body.Bars) != limit {
						t.Fatalf("a page of %d bars has a next", len(body.Bars))
					}
				}
				gaps += b.check(t, body, *next, end)
				next = body.Next
				if pages < 30 && rapid.IntRange(0, 4).Draw(t, "more") == 4 {
					b.grow(t, rapid.IntRange(1, 9).Draw(t, "records"))
					settle()
				}
			}
		} else {
			for to, pages := int64(1)<<50, 0; ; pages++ {
				if pages > 600 {
					t.Fatal("paging does not end")
				}
				_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&to=%d&limit=%d", to, limit))
				body := decode[deepBody](&fatal{T: t}, text)
				low := int64(0)
				if len(body.Bars) == limit {
					low = body.Bars[0].At
				}
				gaps += b.check(t, body, low, to)
				if len(body.Bars) == 0 {
					break
				}
				to = body.Bars[0].At
				if pages < 30 && rapid.IntRange(0, 4).Draw(t, "more") == 4 {
					b.grow(t, rapid.IntRange(1, 9).Draw(t, "records"))
					settle()
				}
			}
		}
		if gaps > 0 && (lag == 0 || retained == 1000) {
			t.Fatalf("%d gaps are said, and there is none: lag %d, retained %d, %d records", gaps, lag, retained, len(b.all))
		}
		if gaps > 0 {
			said++
		} else {
			whole++
		}
	})
	if said == 0 || whole == 0 {
		t.Errorf("%d runs said a gap, %d had none: the generator does not do its work", said, whole)
	}
}

// More bars are restated than are remembered when they leave memory, and the store
// lags: the log has their last revisions, or the answer says that they may be others.
func TestRevisionsBehindAStoreThatLagsAreTheLast(t *testing.T) {
	said, stale := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		b := newDeepBed(rapid.SampledFrom([]int{3, 7}).Draw(t, "view_bars"))
		b.late = 1
		b.grow(t, rapid.IntRange(200, 400).Draw(t, "records"))
		b.store.take(b.all[:max(len(b.all)-rapid.IntRange(0, 400).Draw(t, "lag"), 0)]...)
		whole := rapid.Bool().Draw(t, "whole")
		if !whole {
			b.log.recs = b.all[max(len(b.all)-rapid.IntRange(0, 300).Draw(t, "retained"), 0):]
		}
		limit := rapid.IntRange(1, 90).Draw(t, "limit")
		for next, pages := new(int64), 0; next != nil; pages++ {
			if pages > 400 {
				t.Fatal("paging does not end")
			}
			_, text := get(&fatal{T: t}, b.h, fmt.Sprintf("/v1/klines?sym=A&itv=1m&closed=1&from=%d&limit=%d", *next, limit))
			body := decode[deepBody](&fatal{T: t}, text)
			if len(body.Missing) > 0 {
				said++
			}
			if whole && len(body.Missing) > 0 {
				t.Fatalf("the log has everything, and %v is said", body.Missing)
			}
			for _, k := range body.Bars {
				if b.truth[k.At] == fmt.Sprint(k.Rev, " ", k.Seq) {
					continue
				}
				stale++
				if !slices.ContainsFunc(body.Missing, func(m [2]*int64) bool { return (m[0] == nil || *m[0] <= k.At) && k.At < *m[1] }) {
					t.Fatalf("bar %d is rev %d seq %d, want %s, and the answer says %v", k.At, k.Rev, k.Seq, b.truth[k.At], body.Missing)
				}
			}
			next = body.Next
		}
	})
	if said == 0 {
		t.Error("no answer told of a gap: the generator does not do its work")
	}
	t.Logf("%d answers told of a gap, %d bars of them were of an older revision", said, stale)
}

func TestTheSourceOfEachPageIsNamed(t *testing.T) {
	b := seamBed(20)
	for query, want := range map[string]string{
		"limit=3":                      "memory",
		"limit=4":                      "memory",
		"limit=5":                      "postgres, memory",
		"limit=3&to=900000":            "postgres",
		"from=60000&limit=5":           "postgres",
		"from=960000&limit=5":          "postgres, memory",
		"from=1020000&limit=5":         "memory",
		"to=60000":                     "postgres, memory", // nothing is there, and these were asked
		"limit=100&format=csv":         "postgres, memory",
		"from=0&to=99999999&limit=100": "postgres, memory",
	} {
		a, text := b.get(t, query)
		if a.Source() != want {
			t.Errorf("%s: source %q, want %q\n%s", query, a.Source(), want, text)
		}
		if a.Missing != nil || strings.Contains(text, "missing") {
			t.Errorf("%s says that bars are missing: %s", query, text)
		}
	}
	if u, _ := get(t, b.h, "/v1/bundle?s=A@1m&limit=9"); u.Source() != "postgres, memory" {
		t.Errorf("a bundle says %q", u.Source())
	}
}

// Rows of the store have the bytes that memory gave for them.
func TestRowsOfTheStoreHaveTheBytesOfMemory(t *testing.T) {
	b := seamBed(20)
	wide := newDeepBed(1000)
	wide.h.SetStores(nil, StoreConfig{})
	for _, r := range b.all {
		wide.h.Apply(0, []Record{r})
	}
	for _, query := range []string{"limit=20", "from=0&limit=7", "limit=6&to=720000", "exact=1&src=1", "format=lwc", "format=columns", "format=csv"} {
		a, _ := b.get(t, query)
		_, want := wide.get(t, query)
		if string(a.Body) != want || !strings.Contains(a.Source(), "postgres") {
			t.Errorf("%s from %s:\n%s\nwant\n%s", query, a.Source(), a.Body, want)
		}
	}
}

func TestAYoungSeriesDoesNotAskForItsPastEachTime(t *testing.T) {
	b := newDeepBed(100)
	for range 5 {
		b.at++
		b.bar(0)
	}
	b.store.take(b.all...)
	for range 10 {
		if a, text := b.get(t, ""); a.Source() != "memory" && a.Source() != "postgres, memory" || len(decode[deepBody](t, text).Bars) != 5 {
			t.Fatalf("%s from %s", text, a.Source())
		}
	}
	if n := b.store.asked.Load(); n > 2 {
		t.Errorf("the store was asked %d times for what it does not hold", n)
	}
	fake(b.h).Advance(time.Minute)
	if b.get(t, ""); b.store.asked.Load() < 3 {
		t.Error("nobody asks the store again: what was imported meanwhile stays unseen")
	}
}

// An ETag stands for the rows, also for those that somebody changes in the store.
func TestETagsFollowTheRowsOfTheStore(t *testing.T) {
	b := seamBed(20)
	a, _ := b.get(t, "from=60000&to=300000")
	same, _ := b.get(t, "from=60000&to=300000")
	if a.ETag != same.ETag {
		t.Errorf("the same rows have %s and %s", a.ETag, same.ETag)
	}
	m := testBar("A", 2, 99)
	m.rev, m.close = 1, "7"
	b.store.take(m.record(99, 99, 0))
	changed, text := b.get(t, "from=60000&to=300000")
	if changed.ETag == a.ETag || !strings.Contains(text, `"c":7,`) {
		t.Errorf("changed rows have the tag %s: %s", changed.ETag, text)
	}
}
