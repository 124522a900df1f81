package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// check holds topic, REST and the union of the streams against the oracle.
// It waits until everything is equal: what is due, and what restates it, may still
// be on its way.
func (b *bed) check(names []string, allClosed bool, streams ...*client) *logs {
	b.t.Helper()
	options := oracle.Options{Intervals: intervals(b.t, names...), WatermarkDelayMS: 500, AllClosed: allClosed}
	var l *logs
	var want []oracle.Expected
	var report oracle.Report
	for deadline := time.Now().Add(patience); ; time.Sleep(300 * time.Millisecond) {
		l = b.read()
		options.Refused = l.refused
		want = oracle.Bars(slices.Clone(l.input.Trades), options)
		report = oracle.Compare(&l.klines, want)
		if report.Err() == nil || time.Now().After(deadline) {
			break
		}
	}
	b.t.Logf("%d trades, %d refused %v, klines: %s", len(l.input.Trades), len(l.refused), l.reasons, firstLine(report.String()))
	if err := report.Err(); err != nil {
		b.t.Errorf("the topic differs from the oracle: %v", err)
	}
	if report.Found == 0 {
		b.t.Error("no kline was published")
	}
	b.checkREST(names, want)
	for _, c := range streams {
		c.check(want)
	}
	return l
}

func firstLine(s string) string { return strings.SplitN(s, "\n", 2)[0] }

// checkREST pages through every series and compares it with the oracle. It waits
// until they are equal: a node, and first of all one that did not make the klines
// itself, reads them behind the topic.
func (b *bed) checkREST(names []string, want []oracle.Expected) {
	b.t.Helper()
	var err error
	if !eventually(func() bool { err = b.compareREST(names, want); return err == nil }) {
		b.t.Errorf("REST differs from the oracle: %v", err)
	}
}

func (b *bed) compareREST(names []string, want []oracle.Expected) error {
	b.t.Helper()
	symbols := map[string]bool{}
	for _, w := range want {
		symbols[w.Symbol] = true
	}
	var got []oracle.Kline
	for symbol := range symbols {
		for _, itv := range names {
			rows, err := oracle.REST(b.t.Context(), http.DefaultClient, b.http, symbol, itv, 777)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, k := range rows {
				if k.Final {
					got = append(got, k)
				}
			}
		}
	}
	return oracle.CompareKlines(got, want).Err()
}

// realTrades are the scenarios that run everywhere: real trades, in order and
// in disorder, once and repeatedly.
func realTrades(t *testing.T, newPlace func() place) {
	for _, sc := range []struct {
		name  string
		words string
		feed  func(t *testing.T) []line
	}{
		{"in order", "", midnight},
		{"shuffled within the lateness", "", func(t *testing.T) []line { return shuffled(midnight(t), 20_000, 1) }},
		{"shuffled beyond the lateness", "allowed_lateness 2s", func(t *testing.T) []line { return shuffled(midnight(t), 20_000, 2) }},
		{"with duplicates", "", func(t *testing.T) []line { return repeated(shuffled(midnight(t), 400, 3), 0.2, 3) }},
	} {
		t.Run(sc.name, func(t *testing.T) {
			lines := sc.feed(t)
			b := start(t, newPlace(), sc.words)
			streams := []*client{
				stream(t, b, "s=BTCUSDT@1s,1m:kline,ema(20)", nil),
				stream(t, b, "s=ETHUSDT@1s,5m:kline", nil),
			}
			b.kcat(text(lines))
			b.settle(time.Minute)
			b.heartbeat(b.place.topic("ticks"), lines[len(lines)-1].TS+15*24*3600*1000)
			b.settle(time.Minute)
			l := b.check(allIntervals, true, streams...)
			late := l.reasons["too_late"]
			if beyond := sc.words != ""; beyond != (late > 0) {
				t.Errorf("%d trades went to late", late)
			}
		})
	}
}

func TestEmbeddedRealTradesEqualTheOracle(t *testing.T) {
	t.Parallel()
	realTrades(t, func() place { return newEmbedded(t, 2) })
}

func TestServersRealTradesEqualTheOracle(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	realTrades(t, func() place { return s.place(3) })
}

// The vendor aggregated the same prints itself: a second witness, beside our
// own oracle, for what a minute of SPY is.
func TestEmbeddedMinutesOfSPYHaveTheVendorsVolume(t *testing.T) {
	t.Parallel()
	lines := equity(t, "spy_20131008_trades.zip")
	bars, err := marketdata.EquityBars(marketdata.Folder(t) + "/us-equity/spy_20131008_minute_bars.zip")
	if err != nil {
		t.Fatal(err)
	}
	b := start(t, newEmbedded(t, 1), "intervals 1m 1h")
	b.kcat(text(lines))
	b.settle(2 * time.Minute)
	b.heartbeat("ticks", lines[len(lines)-1].TS+24*3600*1000)
	b.settle(time.Minute)
	b.check([]string{"1m", "1h"}, true)
	got, err := oracle.REST(t.Context(), http.DefaultClient, b.http, lines[0].Symbol, "1m", 5000)
	if err != nil {
		t.Fatal(err)
	}
	volume := map[int64]string{}
	for _, k := range got {
		volume[k.Open] = string(k.V)
	}
	equal := 0
	for _, v := range bars {
		if volume[v.Open] == fmt.Sprint(v.Volume) {
			equal++
		}
	}
	t.Logf("volume equal in %d of %d minutes", equal, len(bars))
	if equal < 826 {
		t.Errorf("volume equals the vendor's in %d of %d minutes, want at least 826", equal, len(bars))
	}
}

// What cannot be used never stops a partition, and nothing disappears.
func hostile(t *testing.T, newPlace func() place) {
	b := start(t, newPlace(), "")
	now := time.Now().UnixMilli()
	good := func(id int, ts int64) string {
		return fmt.Sprintf("X\t{\"id\":%d,\"ts\":%d,\"size\":\"1\",\"price\":10.5,\"symbol\":\"X\",\"extra\":{\"a\":[1,2]}}\n", id, ts)
	}
	bad := map[string]int{
		`not json`:                                                                     0,
		`{"price":"1","size":"1","ts":1}`:                                              0,
		`{"symbol":"X","size":"1","ts":1}`:                                             0,
		`{"symbol":"X","price":"1","ts":1}`:                                            0,
		`{"symbol":"X","price":"1","size":"1"}`:                                        0,
		`{"symbol":"X","price":"NaN","size":"1","ts":1}`:                               0,
		`{"symbol":"X","price":"-1","size":"1","ts":1}`:                                0,
		`{"symbol":"X","price":"1","size":"0","ts":1}`:                                 0,
		`{"symbol":"a b","price":"1","size":"1","ts":1}`:                               0,
		`{"symbol":"X","price":"1","size":"1","ts":"soon"}`:                            0,
		`{"symbol":"X","price":"9e40","size":"1","ts":1}`:                              0,
		`{"symbol":"X","price":"1","size":"1","ts":` + fmt.Sprint(now+3_600_000) + `}`: 0,
		`{"symbol":"X","price":"1","size":"1","ts":1,"op":"cancel","ref_id":3}`:        0,
	}
	var lines strings.Builder
	for i := range 50 {
		lines.WriteString(good(i+1, now-60_000+int64(i)*1000))
	}
	for text := range bad {
		lines.WriteString("X\t" + text + "\n")
	}
	lines.WriteString("X\t" + strings.Repeat("x", 100_000) + "\n")
	// The same id with another price: one of the two is wrong.
	lines.WriteString(strings.Replace(good(7, now-60_000+6000), "10.5", "10.6", 1))
	lines.WriteString(good(51, now))
	b.kcat(lines.String())
	b.settle(patience)
	l := b.check(allIntervals, false)
	if got, want := len(l.refused), len(bad)+2; got != want {
		t.Errorf("%d records stand in late and dlq, want %d: %v", got, want, l.reasons)
	}
	for _, reason := range []string{"decode", "symbol", "price", "size", "ts", "ref", "future", "conflict", "too_large", "overflow"} {
		if l.reasons[reason] == 0 {
			t.Errorf("no record was refused with reason %s: %v", reason, l.reasons)
		}
	}
	b.ready()
}

func TestEmbeddedHostileRecordsStopNothing(t *testing.T) {
	t.Parallel()
	hostile(t, func() place { return newEmbedded(t, 1) })
}

func TestServersHostileRecordsStopNothing(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	hostile(t, func() place { return s.place(1) })
}

// A pause of a producer that sends old trades must not make what follows late:
// the clock does not close the bars of the past.
func TestEmbeddedOldTradesMayPause(t *testing.T) {
	t.Parallel()
	lines := midnight(t)[:9000]
	b := start(t, newEmbedded(t, 1), "")
	b.kcat(text(lines[:4000]))
	b.settle(patience)
	time.Sleep(6 * time.Second)
	b.kill()
	b.node.Restart()
	b.ready()
	b.kcat(text(lines[4000:]))
	b.settle(patience)
	l := b.check(allIntervals, false)
	if len(l.refused) > 0 {
		t.Errorf("%d trades were refused after the pause: %v", len(l.refused), l.reasons)
	}
}
