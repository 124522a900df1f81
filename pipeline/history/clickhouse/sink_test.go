package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const klineA = `{"sym":"BTCUSDT","itv":"1m","t":1795239360000,"T":1795239419999,"o":"64012.1","h":"64020","l":"64000.5","c":"64010.01","v":"12.345","qv":"790214.77","n":42,"bv":"6.1","bqv":"390412.5","vwap":"64010.9","f":10441,"L":"a\t7","final":true,"rev":2,"why":"late","seq":1042,"q":"trades","src":{"p":3,"o0":881200,"o1":881377},"wm":1795239420511,"ep":1}`

func testKline(t testing.TB, so, sk int64) history.Kline {
	t.Helper()
	k := history.Kline{So: so, Sk: sk}
	if err := wire.DecodeKline([]byte(klineA), &k.KlineRecord); err != nil {
		t.Fatal(err)
	}
	return k
}

// server answers as ClickHouse does, and keeps what was asked.
type server struct {
	*httptest.Server
	positions string
	refuse    string // rows that hold it are answered with code
	code      int
	status    int      // of refusals
	asked     []string // statement, then rows
	users     []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{code: 27, status: http.StatusInternalServerError}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.users = append(s.users, r.Header.Get("X-ClickHouse-User")+":"+r.Header.Get("X-ClickHouse-Key"))
		statement := r.URL.Query().Get("query")
		if s.refuse != "" && strings.Contains(string(body), s.refuse) {
			http.Error(w, fmt.Sprintf("Code: %d, e.displayText() = DB::Exception: no", s.code), s.status)
			return
		}
		s.asked = append(s.asked, statement+"\n"+string(body))
		switch {
		case strings.HasPrefix(statement, "SELECT count()"):
			fmt.Fprint(w, "0\n")
		case strings.HasPrefix(statement, "SELECT p"):
			fmt.Fprint(w, s.positions)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) sink(stream history.Stream) *Sink {
	return New(Config{Addr: strings.TrimPrefix(s.URL, "http://"), Stream: stream, Credentials: func() (string, string) { return "ann", "secret" }})
}

func batch(refused *[]int, klines ...history.Kline) *history.Batch {
	return &history.Batch{
		Topic: "klines@1", Klines: klines, Moves: []history.Move{{P: 3, From: 0, To: 9}},
		Refuse: func(_ context.Context, all []history.Refusal) error {
			for _, r := range all {
				*refused = append(*refused, r.Row)
			}
			return nil
		},
	}
}

func TestPositionsAreReadBackAndTheirVersionsGoOn(t *testing.T) {
	s := newServer(t)
	s.positions = "0\t17\t4\n3\t5\t9\n"
	sink := s.sink(history.Klines)
	got, err := sink.Open(t.Context(), "klines@1", 4)
	if err != nil || !maps.Equal(got, map[int32]int64{0: 17, 3: 5}) {
		t.Fatalf("%v, %v", got, err)
	}
	if err := sink.Write(t.Context(), batch(nil)); err != nil {
		t.Fatal(err)
	}
	if last := s.asked[len(s.asked)-1]; !strings.HasSuffix(last, "klines of klines@1\t3\t9\t10\n") {
		t.Errorf("the position was sent as %q: an older version would hide it", last)
	}
	if s.users[0] != "ann:secret" {
		t.Errorf("the server was told %q", s.users[0])
	}
	s.positions = "nonsense\n"
	if _, err := sink.Open(t.Context(), "klines@1", 4); err == nil {
		t.Error("nonsense is taken for positions")
	}
}

// The status was sent when the statement failed, so the exception follows a 200: it
// is no acknowledgement, whether it is about a row or about the server.
func TestAnExceptionBehindAStatusOf200IsNoAcknowledgement(t *testing.T) {
	s := newServer(t)
	s.status, s.refuse, s.code = http.StatusOK, "BTC", 243
	sink := s.sink(history.Klines)
	if _, err := sink.Open(t.Context(), "klines@1", 4); err != nil {
		t.Fatal(err)
	}
	var refused []int
	asked := len(s.asked)
	err := sink.Write(t.Context(), batch(&refused, testKline(t, 1, 0)))
	if err == nil || history.Reason(err) != "full" || len(refused) > 0 || len(s.asked) > asked {
		t.Errorf("%v (%s), refused %v, asked %q", err, history.Reason(err), refused, s.asked[asked:])
	}
	s.code = 117 // about the row: the others are stored, and the position moves
	if err := sink.Write(t.Context(), batch(&refused, testKline(t, 1, 0))); err != nil || !slices.Equal(refused, []int{0}) {
		t.Errorf("%v, refused %v", err, refused)
	}
	s.refuse, s.positions = "", "0\t17\t4\nCode: 241, e.displayText() = DB::Exception: Memory limit exceeded\n"
	if have, err := sink.Open(t.Context(), "klines@1", 4); err == nil {
		t.Errorf("half of the positions is taken for all: %v", have)
	}
}

// A row has a field for each column, in their order.
func TestRowsHaveTheColumns(t *testing.T) {
	k := testKline(t, 881377, 3)
	row := string(appendKline(nil, &k))
	want := "BTCUSDT\t1m\t1795239360000\t1\t2\t1795239419999\t64012.1\t64020\t64000.5\t64010.01\t12.345\t790214.77\t42\t6.1\t390412.5\t64010.9\t" +
		"10441\ta\\t7\ttrades\tlate\t1042\t1795239420511\t3\t881200\t881377\t881377\t3\t\t924190769155\n"
	if row != want {
		t.Errorf("got  %q\nwant %q", row, want)
	}
	tr := history.Trade{Trade: core.Trade{Symbol: []byte("A"), Price: core.Decimal{Coef: 15, Scale: 1}, Size: core.Decimal{Coef: 2}, EventNS: 7, Side: core.SideSell,
		ID: core.TradeID{Kind: core.IDText, Text: []byte("x\ty")}}, Source: "feed", Origin: history.Origin{P: 1, Offset: 2, Index: 3}}
	if got, want := string(appendTrade(nil, &tr)), "A\tx\\ty\t7\t1.5\t2\tsell\tfeed\t1\t2\t3\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for s, row := range map[history.Stream]string{history.Klines: row, history.Trades: string(appendTrade(nil, &tr))} {
		if fields, names := strings.Count(row, "\t"), strings.Count(columns[s], ","); fields != names {
			t.Errorf("%v: %d fields for %d columns", s, fields+1, names+1)
		}
	}
}

// The version of a row grows with its position.
func TestANewerRevisionHasTheGreaterVersion(t *testing.T) {
	version := func(so, sk int64) string {
		k := testKline(t, so, sk)
		row := strings.TrimSpace(string(appendKline(nil, &k)))
		return fmt.Sprintf("%020s", row[strings.LastIndexByte(row, '\t')+1:])
	}
	order := [][2]int64{{0, 0}, {0, 1}, {0, 1<<20 - 1}, {1, 0}, {1, 5}, {1 << 40, 0}}
	for i := 1; i < len(order); i++ {
		if a, b := version(order[i-1][0], order[i-1][1]), version(order[i][0], order[i][1]); a >= b {
			t.Errorf("%v has version %s, %v has %s", order[i-1], a, order[i], b)
		}
	}
}

func TestWhatTheColumnsWouldCutIsRefused(t *testing.T) {
	s := newServer(t)
	long, far, good := testKline(t, 1, 0), testKline(t, 1, 1<<20), testKline(t, 1, 1)
	long.QV = []byte("0.1234567890123456789")
	var refused []int
	if err := s.sink(history.Klines).Write(t.Context(), batch(&refused, long, good, far)); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(refused) != "[0 2]" || strings.Count(s.asked[0], "\n") != 2 {
		t.Errorf("refused %v, sent %q", refused, s.asked[0])
	}
	wide := history.Trade{Trade: core.Trade{Price: core.Decimal{Coef: 1, Scale: 19}}}
	if err := s.sink(history.Trades).check(&history.Batch{Trades: []history.Trade{wide}}, 0); err == nil {
		t.Error("a price of 19 places is taken")
	}
}

func TestARowThatTheServerRefusesIsFound(t *testing.T) {
	s := newServer(t)
	s.refuse = "BAD"
	bad := testKline(t, 2, 0)
	bad.Sym = "BAD"
	var refused []int
	if err := s.sink(history.Klines).Write(t.Context(), batch(&refused, testKline(t, 1, 0), bad, testKline(t, 3, 0))); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(refused) != "[1]" || !strings.Contains(s.asked[len(s.asked)-1], "positions") {
		t.Errorf("refused %v, asked %q", refused, s.asked)
	}
	// What has nothing to do with the row is tried again by the follower.
	s.code = 241
	err := s.sink(history.Klines).Write(t.Context(), batch(&refused, bad))
	if fault := (*history.ServerError)(nil); !errors.As(err, &fault) || fault.Reason != "full" || len(refused) != 1 {
		t.Errorf("got %v, refused %v", err, refused)
	}
}

// Errors are shown in the status and the log; user and password are secrets.
func TestARefusedUserIsNotNamed(t *testing.T) {
	s := newServer(t)
	s.refuse, s.code = "BTC", 193
	err := s.sink(history.Klines).Write(t.Context(), batch(nil, testKline(t, 1, 0)))
	if err == nil || history.Reason(err) != "refused" || strings.Contains(err.Error(), "DB::Exception") || !strings.Contains(err.Error(), "193") {
		t.Errorf("got %v", err)
	}
}

func TestCodesAreReadFromBothKindsOfServer(t *testing.T) {
	for want, e := range map[int]*history.StatusError{
		27: {Body: "Code: 27, e.displayText() = x"}, 60: {Body: "Code: 60. DB::Exception: x"},
		516: {Header: http.Header{"X-Clickhouse-Exception-Code": {"516"}}}, 0: {Body: "<html>"},
	} {
		if got := code(e); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}
