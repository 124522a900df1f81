package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// deepWords keep forty bars of a series in memory, and the rest in both databases.
func deepWords(p *server.Postgres, c *server.Database) string {
	return "view_bars 40\n\t\t" + postgresWords(p, "") + "\n\t\thistory clickhouse {\n\t\t\taddress " + c.Addr() + "\n\t\t}"
}

// page is one answer of /v1/klines or /v1/values.
type page struct {
	status          int
	source, missing string
	Bars, Rows      []json.RawMessage
	Next            *int64
	Seed            *struct{ Whole bool }
	Code            string `json:"type"`
	text            []byte
}

func (b *bed) page(path string, at ...any) page {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.http+fmt.Sprintf(path, at...), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	p := page{status: resp.StatusCode, source: resp.Header.Get("X-Data-Source"), missing: resp.Header.Get("X-Data-Missing")}
	if p.text, err = io.ReadAll(resp.Body); err != nil {
		b.t.Fatal(err)
	}
	if err := json.Unmarshal(p.text, &p); err != nil {
		b.t.Fatalf("%s: %v in %.200s", path, err, p.text)
	}
	return p
}

// walk collects all rows from the beginning by next, and where they come from.
func (b *bed) walk(path string, limit int) (rows []json.RawMessage, sources []string) {
	b.t.Helper()
	for next := new(int64); next != nil; {
		p := b.page(path+"&closed=1&from=%d&limit=%d", *next, limit)
		if p.status != http.StatusOK || p.missing != "" {
			b.t.Fatalf("%s from %d: %d, missing %q, %.300s", path, *next, p.status, p.missing, p.text)
		}
		rows = append(append(rows, p.Bars...), p.Rows...)
		if !slices.Contains(sources, p.source) {
			sources = append(sources, p.source)
		}
		next = p.Next
	}
	return rows, sources
}

// back collects all rows from the newest by to, as a chart that is scrolled does.
func (b *bed) back(path string, limit int) []json.RawMessage {
	b.t.Helper()
	var rows []json.RawMessage
	for to := int64(math.MaxInt32) * 1e5; ; {
		p := b.page(path+"&closed=1&to=%d&limit=%d", to, limit)
		if p.status != http.StatusOK || p.missing != "" {
			b.t.Fatalf("%s to %d: %d, missing %q, %.300s", path, to, p.status, p.missing, p.text)
		}
		if len(p.Bars) == 0 {
			return rows
		}
		rows = slices.Concat(p.Bars, rows)
		var k struct {
			At  int64 `json:"t"`
			End int64 `json:"T"`
		}
		if err := json.Unmarshal(p.Bars[0], &k); err != nil {
			b.t.Fatal(err)
		}
		to = k.At
	}
}

// same holds rows against others, byte for byte.
func same(t *testing.T, what string, got, want []json.RawMessage) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !bytes.Equal(got[i], want[i]) {
			t.Fatalf("%s: %d rows, want %d; row %d differs:\n%s\n%s", what, len(got), len(want), i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
		}
	}
	t.Logf("%s: %d rows, byte for byte", what, len(want))
}

// deepPages holds what a node with little memory answers from databases against
// one that has everything in memory.
func deepPages(t *testing.T, b, whole *bed, store string) {
	t.Helper()
	for _, series := range []string{"sym=BTCUSDT&itv=1s", "sym=ETHUSDT&itv=1s"} {
		klines := "/v1/klines?src=1&" + series
		want, _ := whole.walk(klines, 5000)
		got, sources := b.walk(klines, 97)
		same(t, store+" "+series, got, want)
		if len(want) > 200 && (!slices.Contains(sources, store) || !slices.Contains(sources, store+", memory")) {
			t.Errorf("%s: the pages come from %q", series, sources)
		}
		same(t, store+" backwards "+series, b.back(klines, 211), want)
		// sma has forgotten what it does not hold; the others are computed from the first bar of the series.
		for _, ind := range []string{"sma(20)", "ema(20)", "rsi(14)", "macd(12,26,9)", "obv", "sma(33)"} {
			values := "/v1/values?ind=" + ind + "&" + series
			want, _ := whole.walk(values, 5000)
			limit := 97
			if ind == "obv" { // it sums up from where an answer begins
				limit = 500
			}
			got, _ := b.walk(values, limit)
			same(t, store+" "+ind+" "+series, got, want)
		}
	}
}

// A node that keeps forty bars answers from its databases what one that keeps all
// answers from memory: across the seam, after restatements, while one database or
// both are away, and after both come back behind the log.
func TestServersHistoryIsReadBehindMemory_D10(t *testing.T) {
	t.Parallel()
	pg := server.StartPostgres(t, server.PostgresConfig{})
	ch := server.StartClickHouse(t)
	b := start(t, newEmbedded(t, 2), deepWords(pg, ch))
	whole := start(t, newEmbedded(t, 2), "view_bars 1000000")
	lines := redisTrades(t, 44)
	half := len(lines) / 2
	for _, n := range []*bed{b, whole} {
		n.pour(lines[:half], 2, nil)
		n.settle(time.Minute)
	}
	b.stored(time.Minute)
	deepPages(t, b, whole, "postgres")

	// Nobody waits for a database that is away: the other one answers, then the log as far as it goes.
	pg.Kill9()
	if p := b.page("/v1/klines?sym=BTCUSDT&itv=1s&closed=1&from=0&limit=9"); p.status != 200 || p.source != "clickhouse" {
		t.Errorf("without PostgreSQL: %d from %q", p.status, p.source)
	}
	deepPages(t, b, whole, "clickhouse")
	ch.Kill9()
	p := b.page("/v1/klines?sym=BTCUSDT&itv=1s&closed=1&from=0&limit=9")
	if p.status != http.StatusServiceUnavailable || !strings.HasSuffix(p.Code, "history-unavailable") || bytes.Contains(p.text, []byte("127.0.0.1")) {
		t.Errorf("without any: %d %s", p.status, p.text)
	}
	if p := b.page("/v1/klines?sym=BTCUSDT&itv=1s&closed=1&limit=40"); p.status != 200 || p.source != "memory" || p.missing != "" {
		t.Errorf("memory without any: %d from %q, missing %q", p.status, p.source, p.missing)
	}
	if p := b.page("/v1/klines?sym=BTCUSDT&itv=1s&closed=1&limit=200"); p.status != 200 || len(p.Bars) != 200 || p.source != "log, memory" || p.missing != "" {
		t.Errorf("the log without any: %d, %d bars from %q, missing %q", p.status, len(p.Bars), p.source, p.missing)
	}

	// The log went on meanwhile, and memory let go of what no database has yet.
	for _, n := range []*bed{b, whole} {
		n.pour(lines[half:], 2, nil)
		n.settle(time.Minute)
	}
	pg.Restart()
	time.Sleep(time.Second)
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		if p := b.page("/v1/klines?sym=BTCUSDT&itv=1s&closed=1&from=0&limit=9"); p.status == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("PostgreSQL is back: %d %s", p.status, p.text)
		}
	}
	want, _ := whole.walk("/v1/klines?src=1&sym=BTCUSDT&itv=1s", 5000)
	got, sources := b.walk("/v1/klines?src=1&sym=BTCUSDT&itv=1s", 333)
	same(t, "while PostgreSQL catches up", got, want)
	t.Logf("pages came from %q", sources)
	ch.Restart()
	l := b.closing(lines)
	inPostgres(t, pg, &logs{input: l.input, klines: l.klines})
	whole.settle(time.Minute)
	whole.heartbeat("ticks", lines[len(lines)-1].TS+15*24*3600*1000)
	whole.settle(time.Minute)
	deepPages(t, b, whole, "postgres")
	b.undegraded()
}
