package clickhouse

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// strict is a server that takes no insert into more than a hundred partitions, as
// current ones do. It keeps the rows of each insert.
func strict(t *testing.T, stream history.Stream) (*Sink, *[][]string) {
	t.Helper()
	inserts := &[][]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Query().Get("query"), "`kline`."+stream.String()) {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		years := map[int64]bool{}
		var rows []string
		for line := range strings.Lines(string(body)) {
			at, err := strconv.ParseInt(strings.Split(line, "\t")[2], 10, 64) // ts_ns, open_ms
			if err != nil {
				t.Error(err)
			}
			years[at/width(stream)] = true
			rows = append(rows, line)
		}
		if len(years) > 100 {
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100).")
			return
		}
		*inserts = append(*inserts, rows)
	}))
	t.Cleanup(s.Close)
	return New(Config{Addr: strings.TrimPrefix(s.URL, "http://"), Stream: stream}), inserts
}

func width(stream history.Stream) int64 {
	return map[history.Stream]int64{history.Trades: yearNS, history.Klines: yearMS}[stream]
}

// One record may hold trades of any times, and the topic of klines bars of any.
func TestRowsOfManyYearsAreStored(t *testing.T) {
	for _, stream := range []history.Stream{history.Trades, history.Klines} {
		b := &history.Batch{Topic: "ticks@1", Moves: []history.Move{{P: 0, From: -1, To: 1}}}
		var want []string
		for i := range 450 { // each year three times, not in a row; before 1970 as well
			year := int64(i%150) - 20
			one := history.Trade{Origin: history.Origin{Index: i}, Trade: core.Trade{Symbol: []byte("A"), Price: core.Decimal{Coef: 1}, Size: core.Decimal{Coef: 1}, EventNS: year * yearNS}}
			k := testKline(t, 1, int64(i))
			k.T = year * yearMS
			if stream == history.Trades {
				b.Trades = append(b.Trades, one)
				want = append(want, string(appendTrade(nil, &one)))
			} else {
				b.Klines = append(b.Klines, k)
				want = append(want, string(appendKline(nil, &k)))
			}
		}
		s, inserts := strict(t, stream)
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		got := slices.Concat(*inserts...)
		slices.Sort(got)
		slices.Sort(want)
		if len(*inserts) != 2 || !slices.Equal(got, want) {
			t.Errorf("%v: %d rows in %d inserts, want %d in 2", stream, len(got), len(*inserts), len(want))
		}
		if !strings.Contains(tables[stream], fmt.Sprintf(", %d)", width(stream))) {
			t.Errorf("%v: the table has partitions of another width", stream)
		}
	}
}

func TestInsertsHoldEachRowOnceAndFewYears(t *testing.T) {
	s := New(Config{Stream: history.Trades})
	rapid.Check(t, func(t *rapid.T) {
		b, span := &history.Batch{}, rapid.Int64Range(1, 300).Draw(t, "span")
		var rows []int
		for i := range rapid.IntRange(0, 500).Draw(t, "rows") {
			b.Trades = append(b.Trades, history.Trade{Trade: core.Trade{EventNS: rapid.Int64Range(-1, span).Draw(t, "year") * yearNS}})
			rows = append(rows, i)
		}
		before := slices.Clone(rows)
		parts := s.inserts(b, rows)
		for _, part := range parts {
			years, newest := map[int64]bool{}, map[int64]int{}
			for _, row := range part {
				y := s.year(b, row)
				if at, ok := newest[y]; ok && at > row {
					t.Fatalf("rows %d and %d of one year have changed places", at, row)
				}
				years[y], newest[y] = true, row
			}
			if len(years) > maxYears {
				t.Fatalf("an insert touches %d years", len(years))
			}
		}
		got := slices.Concat(parts...)
		slices.Sort(got)
		if !slices.Equal(got, before) || !slices.Equal(rows, before) {
			t.Fatalf("rows %v became %v, and the caller's are %v", before, got, rows)
		}
		if most := max(1, int(span+2+maxYears-1)/maxYears); len(parts) > most {
			t.Fatalf("%d inserts for %d years", len(parts), span+2)
		}
	})
}
