package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const klineA = `{"sym":"BTCUSDT","itv":"1m","t":1795239360000,"T":1795239419999,"o":"64012.1","h":"64020","l":"64000.5","c":"64010.01","v":"12.345","qv":"790214.77","n":42,"bv":"6.1","bqv":"390412.5","vwap":"64010.9","f":10441,"L":"a\\7","final":true,"rev":2,"why":"late","seq":1042,"q":"trades","src":{"p":3,"o0":881200,"o1":881377},"wm":1795239420511,"ep":1,"ind":{"ema(20)":{"v":[1.5],"n":1,"fl":1,"seq":8,"ver":"9f"}}}`

// A row has a field for each column of its staging table.
func TestRowsHaveTheColumns(t *testing.T) {
	k := history.Kline{So: 881377, Sk: 3}
	if err := wire.DecodeKline([]byte(klineA), &k.KlineRecord); err != nil {
		t.Fatal(err)
	}
	row := string(appendKline(nil, &k))
	want := "BTCUSDT\t1m\t2026-11-21 05:36:00.000000+00\t2\t1\t2026-11-21 05:36:59.999000+00\t64012.1\t64020\t64000.5\t64010.01\t12.345\t790214.77\t42\t6.1\t390412.5\t64010.9\t" +
		"10441\ta\\\\7\ttrades\tlate\t1042\t2026-11-21 05:37:00.511000+00\t3\t881200\t881377\t881377\t3\t" + `{"ema(20)":{"v":[1.5],"n":1,"fl":1,"seq":8,"ver":"9f"}}` + "\n"
	if row != want {
		t.Errorf("got  %q\nwant %q", row, want)
	}
	tr := history.Trade{Trade: core.Trade{Symbol: []byte("A"), Price: core.Decimal{Coef: 15, Scale: 1}, Size: core.Decimal{Coef: 2}, EventNS: 1_700_000_000_123_456_789,
		ID: core.TradeID{Kind: core.IDText, Text: []byte("x\ty")}}, Source: "fe\\ed", Origin: history.Origin{P: 1, Offset: 2, Index: 3}}
	if got, want := string(appendTrade(nil, &tr)), "A\tx\\ty\t2023-11-14 22:13:20.123456+00\t789\t1.5\t2\t\\N\tfe\\\\ed\t1\t2\t3\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for ddl, row := range map[string]string{createKlines: row, createTrades: string(appendTrade(nil, &tr))} {
		if fields, names := strings.Count(row, "\t"), strings.Count(ddl, ","); fields != names {
			t.Errorf("%d fields for %d columns", fields+1, names+1)
		}
	}
}

// Microseconds and the rest below make the time that the trade had, also before 1970.
func TestNanosecondsAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(-4e18, 9e18).Draw(t, "ns")
		fields := strings.Split(string(appendTrade(nil, &history.Trade{Trade: core.Trade{Symbol: []byte("A"), EventNS: ns}})), "\t")
		at, err := time.Parse(timeLayout, fields[2])
		if err != nil {
			t.Fatal(err)
		}
		var rest int64
		if _, err := fmt.Sscan(fields[3], &rest); err != nil || rest < 0 || rest > 999 {
			t.Fatalf("%q: %v", fields[3], err)
		}
		if got := at.UnixMicro()*1000 + rest; got != ns {
			t.Fatalf("%d became %d", ns, got)
		}
	})
}

func TestPartitionsMeetWithoutAHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom([]Period{Day, Month}).Draw(t, "period")
		at := time.Unix(rapid.Int64Range(946_684_800, 4_102_444_800).Draw(t, "time"), 0)
		s := p.spanOf(at)
		if at.Before(s.from) || !at.Before(s.to) {
			t.Fatalf("%v is not in %v", at, s)
		}
		if next := p.spanOf(s.to); !next.from.Equal(s.to) {
			t.Fatalf("after %v comes %v", s, next)
		}
		if back, ok := spanNamed(p.suffix(s)); !ok || !back.from.Equal(s.from) || !back.to.Equal(s.to) {
			t.Fatalf("%s names %v, want %v", p.suffix(s), back, s)
		}
	})
	if _, ok := spanNamed("_rest"); ok {
		t.Error("the rest is taken for a partition of a time")
	}
}

func TestOnlyWhatIsAboutTheRowIsContent(t *testing.T) {
	for code, want := range map[string]struct {
		content bool
		reason  string
	}{
		"22021": {true, "server"}, "23514": {true, "server"}, "54000": {true, "server"}, "P0001": {true, "server"},
		"40P01": {false, "conflict"}, "40001": {false, "conflict"}, "55P03": {false, "conflict"}, "53100": {false, "full"}, "57014": {false, "timeout"},
		"57P01": {false, "unreachable"}, "28P01": {false, "refused"}, "42501": {false, "refused"}, "42P01": {false, "server"}, "25006": {false, "server"},
	} {
		err := fmt.Errorf("writing: %w", &pgconn.PgError{Code: code})
		if got := aboutContent(err); got != want.content {
			t.Errorf("%s: content %v", code, got)
		}
		if got := history.Reason(classify(err)); got != want.reason {
			t.Errorf("%s: reason %s, want %s", code, got, want.reason)
		}
	}
	if aboutContent(errors.New("broken pipe")) {
		t.Error("a broken connection is taken for a bad row")
	}
}

// Errors are shown in the status and the log; user and password are secrets.
func TestErrorsOfConnectionsNameNoUser(t *testing.T) {
	c := Config{Addr: "127.0.0.1:1", Credentials: func() (string, string) { return "ann-of-env", "hunter2" }}.withDefaults()
	_, err := c.connect(t.Context())
	if err == nil || strings.Contains(err.Error(), "ann-of-env") || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
	err = classify(withoutUser(fmt.Errorf("x: %w", &pgconn.PgError{Code: "28P01", Message: `password authentication failed for user "ann-of-env"`})))
	if strings.Contains(err.Error(), "ann-of-env") || history.Reason(err) != "refused" {
		t.Errorf("got %v", err)
	}
}

// A name cannot leave its quotes.
func TestTheSchemaIsQuoted(t *testing.T) {
	c := Config{Schema: `a"; drop table x; --`}
	if got := c.in("select 1 from S.trades"); got != `select 1 from "a""; drop table x; --".trades` {
		t.Errorf("got %s", got)
	}
}
