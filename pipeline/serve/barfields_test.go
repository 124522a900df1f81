package serve

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// from is the record of m with its source.
func (m made) from(offset int64, p, o0, o1 int64) Record {
	r := m.record(offset, offset, 0)
	r.Value = bytes.Replace(r.Value, []byte(`{"p":0,"o0":1,"o1":2}`), fmt.Appendf(nil, `{"p":%d,"o0":%d,"o1":%d}`, p, o0, o1), 1)
	return r
}

type sourcesBody struct {
	Bars []struct {
		At  int64 `json:"t"`
		O   any
		Rev int
		Src *struct {
			P      int32
			O0, O1 int64
		}
	}
	Next *int64
}

// sourcesOf lists what a query says: open time/ms:partition:o0-o1, none for a
// bar without src.
func sourcesOf(t testing.TB, h *Hub, query string) (list string, body sourcesBody) {
	t.Helper()
	_, text := get(t, h, "/v1/klines?sym=A&itv=1m&"+query)
	body = decode[sourcesBody](t, text)
	var out []string
	for _, b := range body.Bars {
		if b.Src == nil {
			out = append(out, fmt.Sprint(b.At/minute, ":none"))
			continue
		}
		out = append(out, fmt.Sprint(b.At/minute, ":", b.Src.P, ":", b.Src.O0, "-", b.Src.O1))
	}
	return strings.Join(out, " "), body
}

func TestSourceOfClosedFormingAndRestatedBars(t *testing.T) {
	h := testHub(1)
	late := testBar("A", 1, 3)
	late.rev = 1
	h.Apply(0, []Record{testBar("A", 1, 1).from(0, 0, 10, 19), testBar("A", 2, 2).from(1, 0, 20, 24), late.from(2, 0, 10, 25)})
	forming := testBar("A", 3, 3)
	forming.final = false
	h.Forming(0, [][]byte{forming.from(0, 0, 26, 30).Value})
	for query, want := range map[string]string{
		"src=1":                     "1:0:10-25 2:0:20-24 3:0:26-30",
		"src=1&closed=1":            "1:0:10-25 2:0:20-24",
		"src=1&limit=1":             "3:0:26-30",
		"src=1&from=60000&to=60001": "1:0:10-25",
		"src=0":                     "1:none 2:none 3:none",
		"":                          "1:none 2:none 3:none",
	} {
		if got, _ := sourcesOf(t, h, query); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	// The forming bar goes on: its source does, too, and a closed one takes its place.
	h.Forming(0, [][]byte{forming.from(0, 0, 26, 33).Value})
	if got, _ := sourcesOf(t, h, "src=1&limit=1"); got != "3:0:26-33" {
		t.Errorf("forming after more trades: %s", got)
	}
	h.Apply(0, []Record{testBar("A", 3, 4).from(3, 0, 26, 40)})
	if got, _ := sourcesOf(t, h, "src=1&limit=1"); got != "3:0:26-40" {
		t.Errorf("closed: %s", got)
	}
}

func TestSourceAndExactGoTogether(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).from(0, 0, 10, 19)})
	forming := testBar("A", 2, 1)
	forming.final = false
	h.Forming(0, [][]byte{forming.from(0, 0, 20, 21).Value})
	got, body := sourcesOf(t, h, "src=1&exact=1")
	if want := "1:0:10-19 2:0:20-21"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, b := range body.Bars {
		if b.O != "100" {
			t.Errorf("bar %d: the open is %v, want the text 100", b.At, b.O)
		}
	}
}

func TestSourceHasAnETagOfItsOwn(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).from(0, 0, 10, 19)})
	seen := map[string]string{}
	for _, query := range []string{"", "&src=1", "&exact=1", "&src=1&exact=1"} {
		a, _ := get(t, h, "/v1/klines?sym=A&itv=1m&closed=1"+query)
		if other, ok := seen[a.ETag]; ok {
			t.Errorf("%q and %q have one ETag: a cache would hand out the wrong body", query, other)
		}
		seen[a.ETag] = query
	}
}

// A bar that begins behind a full page changes nothing but next: with the ETag of before
// who asks again would be told that there is no further page.
func TestTheNextPageIsInTheETag(t *testing.T) {
	for _, target := range []string{"/v1/klines?sym=A&itv=1m&from=0&limit=1", "/v1/values?sym=A&itv=1m&ind=ema(3)&from=0&limit=1"} {
		h := testHub(1)
		h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
		before, _ := get(t, h, target)
		forming := bare("A", 2, 0, 1)
		forming.final = false
		h.Forming(0, [][]byte{forming.json()})
		after, _ := get(t, h, target)
		if before.HasNext || !after.HasNext || before.ETag == after.ETag {
			t.Errorf("%s: next %v, then %v, the ETags are %s and %s", target, before.HasNext, after.HasNext, before.ETag, after.ETag)
		}
	}
}

func TestSourceGoesWithTheNativeFormatAlone(t *testing.T) {
	h := testHub(1)
	for _, format := range []string{FormatLWC, FormatColumns, FormatCSV} {
		if _, got := get(t, h, "/v1/klines?sym=A&itv=1m&src=1&format="+format); !strings.Contains(got, "format=native alone") {
			t.Errorf("%s: %s", format, got)
		}
	}
}

// Bars that left memory are read from the log, and their sources with them.
func TestSourcesEqualThoseOfTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig(1)
		cfg.ViewBars = rapid.SampledFrom([]int{1000, 20, 5}).Draw(t, "view_bars")
		h := NewHub(cfg)
		h.Loaded()
		log := &keptLog{}
		h.SetArchive(log)
		want := map[int64]string{}
		n := rapid.Int64Range(1, 120).Draw(t, "bars")
		offset := int64(0)
		for i := int64(1); i <= n; i++ {
			if i > 2 && rapid.IntRange(0, 4).Draw(t, "late") == 0 {
				late := testBar("A", i-1, i)
				late.rev = 1
				apply(h, log, late.from(offset, 0, offset, offset+3))
				want[i-1] = fmt.Sprint(offset, "-", offset+3)
				offset++
			}
			apply(h, log, testBar("A", i, i).from(offset, 0, offset, offset+7))
			want[i] = fmt.Sprint(offset, "-", offset+7)
			offset++
		}
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		for from, pages := int64(1), 0; ; pages++ {
			_, body := sourcesOf(&fatal{T: t}, h, fmt.Sprintf("src=1&from=%d&limit=%d", from, limit))
			for _, b := range body.Bars {
				if b.Src == nil || fmt.Sprint(b.Src.O0, "-", b.Src.O1) != want[b.At/minute] {
					t.Fatalf("bar %d comes from %+v, want %s", b.At/minute, b.Src, want[b.At/minute])
				}
				delete(want, b.At/minute)
			}
			if body.Next == nil {
				break
			}
			from = *body.Next
		}
		if len(want) > 0 {
			t.Fatalf("no page held %v", want)
		}
	})
}

func apply(h *Hub, log *keptLog, r Record) {
	h.Apply(0, []Record{r})
	log.recs = append(log.recs, r)
}
