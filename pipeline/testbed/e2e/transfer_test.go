package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// kline runs a command on the configuration of the bed, as an operator does.
func (b *bed) kline(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), transferLimit)
	defer cancel()
	return b.node.Command(ctx, append([]string{"kline", args[0], args[1], "--config", b.node.ConfigFile()}, args[2:]...)...)
}

// mustKline fails with what the command said.
func (b *bed) mustKline(args ...string) string {
	b.t.Helper()
	out, err := b.kline(args...)
	if err != nil {
		b.t.Fatalf("caddy kline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// midnightFile is one of the real files that midnight reads.
func midnightFile(t *testing.T, symbol string) string {
	t.Helper()
	return filepath.Join(marketdata.Folder(t), "crypto", "binance_"+symbol+"_2024-08-09_midnight_trades.csv.gz")
}

// exported writes klines and returns the text.
func (b *bed) exported(name string, args ...string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), name)
	b.mustKline(append([]string{"export", "klines", "--output", path}, args...)...)
	text, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// A file is imported while the import is killed again and again; what stands in
// bars is the file.
func TestEmbeddedImportKilledAgainAndAgainIsTheFile(t *testing.T) {
	t.Parallel()
	b := start(t, newEmbedded(t, 2), "")
	states := t.TempDir()
	args := func(symbol string, more ...string) []string {
		return append([]string{"import", "trades", midnightFile(t, symbol), "--symbol", symbol, "--state", states}, more...)
	}
	kills := 0
	state := filepath.Join(states, filepath.Base(midnightFile(t, "BTCUSDT"))+".kline-import")
	for done := int64(0); kills < 4; {
		r := b.begin(args("BTCUSDT", "--rate", "4000")...)
		if !r.within(func() bool { return doneRows(state).Rows > done }) {
			break // this machine was so busy that it came too late
		}
		_ = r.cmd.Process.Kill() // it may have ended
		if <-r.end == nil {
			break
		}
		kills++
		done = doneRows(state).Rows
	}
	out := b.mustKline(args("BTCUSDT")...) + b.mustKline(args("ETHUSDT", "--complete-until", "2024-08-24T00:00:00Z")...)
	if kills == 0 || !strings.Contains(out, "where it had stopped") {
		t.Errorf("%d kills, and the last import says\n%s", kills, out)
	}
	if again := b.mustKline(args("BTCUSDT")...); !strings.Contains(again, "all 19904 rows were imported before") {
		t.Errorf("a finished import says\n%s", again)
	}
	lines := midnight(t)
	b.settle(time.Minute)
	l := b.check(allIntervals, true)
	ids := map[string]bool{}
	for _, tr := range l.input.Trades {
		ids[tr.Symbol+" "+tr.ID] = true
	}
	if len(ids) != len(lines) {
		t.Errorf("the topic has %d trades, the files have %d", len(ids), len(lines))
	}
	t.Logf("%d kills, %d records for %d trades", kills, len(l.input.Trades), len(lines))
	first := b.exported("a.csv", "--indicators", "all")
	if second := b.exported("b.csv", "--indicators", "all"); first != second {
		t.Error("two exports of the same data differ")
	}
	if got, want := strings.Count(first, "\n")-1, len(newestRows(l)); got != want {
		t.Errorf("the export has %d bars, the topic %d", got, want)
	}
	if parquet := b.exported("a.parquet"); !strings.HasPrefix(parquet, "PAR1") || !strings.HasSuffix(parquet, "PAR1") {
		t.Error("the Parquet file is none")
	}
	b.tradesComeBack(lines)
}

// tradesComeBack holds exported trades against the files.
func (b *bed) tradesComeBack(lines []line) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "trades.csv")
	b.mustKline("export", "trades", "--output", path)
	text, err := os.ReadFile(path)
	if err != nil {
		b.t.Fatal(err)
	}
	var want []string
	for _, l := range lines {
		want = append(want, fmt.Sprintf("%s,%d,,%s,%s,%d", l.Symbol, l.TS, trimmed(l.Price), trimmed(l.Size), l.ID))
	}
	var got []string
	for row := range strings.Lines(string(text)) {
		fields := strings.Split(row, ",")
		got = append(got, strings.Join(fields[:6], ","))
	}
	slices.Sort(want)
	got = got[1:]
	slices.Sort(got)
	if !slices.Equal(got, want) {
		b.t.Errorf("%d trades were exported, %d are in the files; the first: %q, %q", len(got), len(want), got[:1], want[:1])
	}
}

// Trades become klines, klines a file, the file bars in an empty database, and
// these the same file. A published bar stays above an imported one.
func TestServersHistoryPostgresTakesBarsBackAsTheyWere(t *testing.T) {
	t.Parallel()
	p := server.StartPostgres(t, server.PostgresConfig{})
	b := start(t, newEmbedded(t, 2), postgresWords(p, "")+"\n\t\t"+postgresWords(p, "schema empty\n\t\t\tsink_name empty\n\t\t\ttables trades"))
	states := t.TempDir()
	b.mustKline("import", "trades", midnightFile(t, "BTCUSDT"), "--symbol", "BTCUSDT", "--state", states, "--source", b.place.topic("ticks"))
	b.closing(midnight(t)) // its heartbeats are those of that source
	file := filepath.Join(t.TempDir(), "klines.csv")
	b.mustKline("export", "klines", "--output", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b.mustKline("import", "bars", file, "--history", "empty")
	if got := b.exported("empty.csv", "--from-history", "--history", "empty"); got != string(text) {
		t.Errorf("what came back differs: %d and %d bytes", len(got), len(text))
	}
	if got := b.exported("full.csv", "--from-history", "--history", "postgres"); got != string(text) {
		t.Errorf("what the node stored differs: %d and %d bytes", len(got), len(text))
	}
	wrong := filepath.Join(t.TempDir(), "wrong.csv")
	if err := os.WriteFile(wrong, []byte("t,o,h,l,c,v,rev\n1723161600000,1,1,1,1,1,9\n1723248000000,2,2,2,2,2,9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.mustKline("import", "bars", wrong, "--history", "postgres", "--symbol", "BTCUSDT", "--interval", "1m")
	got := b.exported("above.csv", "--from-history", "--history", "postgres")
	if extra := strings.Count(got, "\n") - strings.Count(string(text), "\n"); extra != 1 || strings.Contains(got, "BTCUSDT,1m,1723161600000,1723161659999,1,1,1,1,") {
		t.Errorf("%d bars more, and a published one may have been covered", extra)
	}
	if p.Must("select o from kline.newest_klines where itv = '1m' and sym = 'BTCUSDT' and open_time = to_timestamp(1723161600)") == "1" {
		t.Error("newest_klines shows the imported bar and not the published one")
	}
}

// The same on ClickHouse, whose columns have 18 places each.
func TestServersHistoryClickhouseTakesBarsBackAsTheyWere(t *testing.T) {
	t.Parallel()
	d := server.StartClickHouse(t)
	words := func(database, sink, tables string) string {
		return "history clickhouse {\n\t\t\taddress " + d.Addr() + "\n\t\t\tdatabase " + database + "\n\t\t\tsink_name " + sink + "\n\t\t\ttables " + tables + "\n\t\t}"
	}
	b := start(t, newEmbedded(t, 2), words("kline", "full", "klines trades")+"\n\t\t"+words("again", "empty", "trades"))
	b.mustKline("import", "trades", midnightFile(t, "BTCUSDT"), "--symbol", "BTCUSDT", "--state", t.TempDir(), "--source", b.place.topic("ticks"))
	b.closing(midnight(t)) // its heartbeats are those of that source
	file := filepath.Join(t.TempDir(), "klines.jsonl")
	b.mustKline("export", "klines", "--output", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b.mustKline("import", "bars", file, "--history", "empty")
	for _, name := range []string{"empty", "full"} {
		if got := b.exported(name+".jsonl", "--from-history", "--history", name); got != string(text) {
			t.Errorf("%s: what came back differs: %d and %d bytes", name, len(got), len(text))
		}
	}
	titles := func(name string, args ...string) string {
		head, _, _ := strings.Cut(b.exported(name, append([]string{"--indicators", "all"}, args...)...), "\n")
		return head
	}
	if got, want := titles("values.csv", "--from-history", "--history", "full"), titles("topic.csv"); got != want {
		t.Errorf("the columns are\n%s\nwant those of the topic\n%s", got, want)
	}
	trades := filepath.Join(t.TempDir(), "trades.csv")
	b.mustKline("export", "trades", "--output", trades, "--from-history", "--history", "full")
	if rows, err := os.ReadFile(trades); err != nil || strings.Count(string(rows), "\n") != 19905 {
		t.Errorf("%d rows of trades came back, %v", strings.Count(string(rows), "\n"), err)
	}
}
