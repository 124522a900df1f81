package clickhouse

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// scanned is a sink of a server whose table has n rows, which row prints. It keeps how
// many were asked for at once.
func scanned(t *testing.T, n int, row func(i int) string) (sink *Sink, limits *[]int) {
	t.Helper()
	limits = new([]int)
	handed := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, rest, _ := strings.Cut(r.URL.Query().Get("query"), "LIMIT ")
		limit, err := strconv.Atoi(strings.Fields(rest)[0])
		if err != nil {
			t.Error(err)
		}
		*limits = append(*limits, limit)
		var page strings.Builder
		for i := handed; i < min(handed+limit, n); i++ {
			page.WriteString(row(i))
		}
		if page.Len() <= scanAnswer { // or the page is asked for again
			handed = min(handed+limit, n)
		}
		fmt.Fprint(w, page.String())
	}))
	t.Cleanup(s.Close)
	return New(Config{Addr: strings.TrimPrefix(s.URL, "http://")}), limits
}

// tradeRow is a trade as the server prints it.
func tradeRow(id, source string) string {
	return "A\t" + id + "\t7\t1.500000000000000000\t2.000000000000000000\tsell\t" + source + "\t1\t2\t3\n"
}

func ids(t *testing.T, s *Sink) (got []string, err error) {
	t.Helper()
	err = s.ScanTrades(t.Context(), "", 0, 0, func(one *history.Trade) error {
		got = append(got, string(one.AppendID(nil)))
		return nil
	})
	return got, err
}

// Rows may be long: of values of many indicators, or of an id that somebody made up.
func TestAPageThatIsTooLongIsAskedForWithFewerRows(t *testing.T) {
	long := strings.Repeat("x", scanAnswer/300)
	s, limits := scanned(t, 400, func(i int) string { return tradeRow(long+strconv.Itoa(i), "feed") })
	got, err := ids(t, s)
	if err != nil || len(got) != 400 || got[0] != long+"0" || got[399] != long+"399" {
		t.Errorf("%d rows, %v", len(got), err)
	}
	if want := []int{1000, 250, 250, 250}; !slices.Equal(*limits, want) {
		t.Errorf("asked for %v rows, want %v", *limits, want)
	}
	// A page of 1,000 rows of usual length is more than the answer of another statement may be.
	values := strings.Repeat("x", 1200)
	s, limits = scanned(t, 1000, func(i int) string { return tradeRow(values+strconv.Itoa(i), "feed") })
	if got, err = ids(t, s); err != nil || len(got) != 1000 || len(*limits) != 2 {
		t.Errorf("%d rows in %d answers, %v", len(got), len(*limits), err)
	}
}

func TestARowThatIsLongerThanAnAnswerIsToldAndEndsTheScan(t *testing.T) {
	huge := strings.Repeat("x", scanAnswer)
	s, limits := scanned(t, 1, func(int) string { return tradeRow(huge, "feed") })
	if _, err := ids(t, s); !errors.Is(err, history.ErrLongAnswer) || !strings.Contains(err.Error(), "one row") {
		t.Errorf("got %v", err)
	}
	if last := (*limits)[len(*limits)-1]; last != 1 {
		t.Errorf("the last page had %d rows", last)
	}
}

// An id and a source are anybody's text; what the server says stands in a line of its
// own, or cuts a row.
func TestAnExceptionIsToldFromTheTextOfARow(t *testing.T) {
	said := "Code: 241, e.displayText() = DB::Exception: Memory limit exceeded"
	s, _ := scanned(t, 1, func(int) string { return tradeRow("Code: 27. DB::Exception: x", "DB::Exception: y") })
	if got, err := ids(t, s); err != nil || !slices.Equal(got, []string{"Code: 27. DB::Exception: x"}) {
		t.Errorf("got %q, %v", got, err)
	}
	s, _ = scanned(t, 1, func(int) string { return tradeRow("Code: 27. DB::Exception: x", "feed") + said + "\n" })
	got, err := ids(t, s)
	if fault := (*history.ServerError)(nil); !errors.As(err, &fault) || fault.Reason != "full" || len(got) > 0 {
		t.Errorf("behind a row: %d rows, %v", len(got), err)
	}
	row := tradeRow("1", "feed")
	for cut := 1; cut < len(row)-1; cut++ {
		s, _ = scanned(t, 1, func(int) string { return row[:cut] + said })
		if got, err := ids(t, s); err == nil || len(got) > 0 {
			t.Errorf("within a row, behind %q: %d rows, %v", row[:cut], len(got), err)
		}
	}
}

// Times are nanoseconds in the table: a bound beyond 2262 is no number of them, and must
// not become one of before 1970.
func TestABoundBeyondTheTimesOfTheTableLeavesNothingOut(t *testing.T) {
	const year2300 = 10_413_792_000_000 // ms
	var query string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { query = r.URL.Query().Get("query") }))
	t.Cleanup(server.Close)
	s := New(Config{Addr: strings.TrimPrefix(server.URL, "http://")})
	for from, want := range map[int64]string{
		1000:     "ts_ns >= 1000000000 AND ts_ns < 9223372036854775807",
		year2300: "ts_ns >= 9223372036854775807 AND ts_ns < 9223372036854775807",
	} {
		if err := s.ScanTrades(t.Context(), "", from, year2300+1, nil); err != nil || !strings.Contains(query, want) {
			t.Errorf("from %d: %s, %v", from, query, err)
		}
	}
}
