package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// The columns that are read are those that are written, and come back as they were.
func TestAScannedRowIsTheRecord(t *testing.T) {
	want := history.Kline{}
	if err := wire.DecodeKline([]byte(klineA), &want.KlineRecord); err != nil {
		t.Fatal(err)
	}
	want.WM, want.Ind = 0, nil
	var k wire.KlineRecord
	var s scanned
	if columns := strings.Count(selectKlines[:strings.Index(selectKlines, "from (")], ","); len(s.into(&k)) != columns { // one comma is in coalesce
		t.Fatalf("%d targets for %d columns", len(s.into(&k)), columns)
	}
	s.open, s.end = time.UnixMilli(want.T), time.UnixMilli(want.CloseT)
	for i, text := range [...][]byte{want.O, want.H, want.L, want.C, want.V, want.QV, want.BV, want.BQV, want.VWAP} {
		s.decimals[i] = string(text)
	}
	s.first, s.last = string(history.Plain(want.FirstID)), string(history.Plain(want.LastID))
	k.Sym, k.Itv, k.N, k.Rev, k.Seq, k.Q, k.Why, k.P, k.O0, k.O1, k.EP = want.Sym, want.Itv, want.N, want.Rev, want.Seq, want.Q, want.Why, want.KlineRecord.P, want.O0, want.O1, want.EP
	s.finish(&k)
	// The topic writes a backslash as its number, the wire's own way.
	want.LastID = []byte(`"a\u005c7"`)
	if got := fmt.Sprintf("%q", []any{k}); got != fmt.Sprintf("%q", []any{want.KlineRecord}) {
		t.Errorf("got  %s\nwant %q", got, []any{want.KlineRecord})
	}
}

func TestTheNewestAreReadBackwards(t *testing.T) {
	r := NewReader("archive", Config{Schema: "s"})
	for newest, order := range map[bool]string{true: "desc", false: "asc"} {
		sql := r.statement(newest)
		if !strings.Contains(sql, `from "s".klines`) || !strings.Contains(sql, "order by open_time "+order+", rev "+order+", ep "+order+" limit $5") || !strings.HasSuffix(sql, "order by bars.open_time") {
			t.Errorf("newest %v: %s", newest, sql)
		}
	}
}

// Errors are logged; user and password are secrets.
func TestAReaderThatCannotConnectNamesNoSecret(t *testing.T) {
	r := NewReader("archive", Config{Addr: "127.0.0.1:1", Credentials: func() (string, string) { return "ann-of-env", "hunter2" }})
	defer r.Close()
	err := r.Bars(t.Context(), serve.BarQuery{Limit: 1}, func(*wire.KlineRecord) error { return nil })
	if err == nil || strings.Contains(err.Error(), "ann-of-env") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}
