package replay

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// log is an input in memory, of one partition.
type log struct {
	recs      []kafka.Rec
	decisions []kafka.JournalRecord
	at        int
	rec       Record
}

func (*log) Partitions() int32                       { return 1 }
func (l *log) Decisions(int32) []kafka.JournalRecord { return l.decisions }
func (*log) Start(int32) int64                       { return 0 }
func (*log) Close()                                  {}

func (l *log) Next(context.Context) (*Record, error) {
	if l.at == len(l.recs) {
		return nil, io.EOF
	}
	l.rec = Record{Rec: l.recs[l.at]}
	l.at++
	return &l.rec, nil
}

func engine(t *testing.T, names ...string) pipeline.Config {
	t.Helper()
	var cfg pipeline.Config
	for _, n := range names {
		itv, err := core.ParseInterval(n)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Intervals = append(cfg.Intervals, itv)
	}
	return cfg
}

const begin = 1_700_000_040_000 // a full minute

// trades are one a second of each of two symbols.
func trades(n int) *log {
	l := &log{}
	for i := range n {
		l.recs = append(l.recs, kafka.Rec{Offset: int64(i), Timestamp: begin + int64(i/2)*1000,
			Value: fmt.Appendf(nil, `{"symbol":"S%d","price":"%d.5","size":"2","ts":%d,"id":%d,"side":"buy"}`, i%2, 10+i%7, begin+i/2*1000, i)})
	}
	return l
}

func play(t *testing.T, cfg Config) Totals {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	totals, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return totals
}

func TestTheSameTradesGiveTheSameLines(t *testing.T) {
	run := func(speed feed.Speed) string {
		var out strings.Builder
		totals := play(t, Config{Engine: engine(t, "1s", "1m"), Topic: "ticks", Input: trades(400), Sink: Lines(&out, nil), Speed: speed})
		if totals.Records != 400 || totals.Trades != 400 {
			t.Errorf("%+v", totals)
		}
		return out.String()
	}
	fast := run(feed.Speed(math.Inf(1)))
	if n := strings.Count(fast, "\n"); n < 400 {
		t.Fatalf("%d lines of 400 trades", n)
	}
	var k wire.KlineRecord
	if err := wire.DecodeKline([]byte(fast[:strings.IndexByte(fast, '\n')]), &k); err != nil || k.Sym != "S0" || k.T != begin {
		t.Errorf("first line: %+v, %v", k, err)
	}
	if slow := run(100_000); slow != fast {
		t.Error("another pace gives other bytes")
	}
}

func TestTradesThatAreInNoBarAreTold(t *testing.T) {
	l := trades(4)
	if got := play(t, Config{Engine: engine(t, "1m"), Topic: "ticks", Input: l, Sink: Lines(io.Discard, nil), Speed: feed.Speed(math.Inf(1))}); got.String() != "4 records, 4 trades, 0 decisions: 0 outputs" {
		t.Errorf("all are in bars: %s", &got)
	}
	l = &log{}
	for i, text := range []string{
		`{"symbol":"A","price":1,"size":1,"ts":1700003600000,"id":1}`,
		`{"symbol":"A","price":1,"size":1,"ts":1700000000000,"id":2}`, // an hour late
		`{"symbol":"A","price":0,"size":1,"ts":1700003600000,"id":3}`,
		`{"symbol":"A","price":1,"size":1,"ts":1700003600000,"id":1}`,
		`nonsense`,
	} {
		l.recs = append(l.recs, kafka.Rec{Offset: int64(i), Timestamp: 1_700_003_600_000, Value: []byte(text)})
	}
	got := play(t, Config{Engine: engine(t, "1m"), Topic: "ticks", Input: l, Sink: Lines(io.Discard, nil), Speed: feed.Speed(math.Inf(1))})
	if want := "5 records, 4 trades, 0 decisions: 3 outputs; 3 trades are in no bar (1 too late, 1 refused, 1 duplicate); 1 records hold no trade"; got.String() != want {
		t.Errorf("got  %s\nwant %s", &got, want)
	}
}

func TestSymbolsAndColumns(t *testing.T) {
	var out strings.Builder
	sink, err := CSV(&out, map[string]bool{"S1": true}, []pipeline.Instance{{Name: "macd(1,2)", Outputs: []string{"a", "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	play(t, Config{Engine: engine(t, "1m"), Topic: "ticks", Input: trades(400), Sink: sink, Speed: feed.Speed(math.Inf(1))})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if !strings.HasSuffix(lines[0], `,rev,seq,"macd(1,2).a","macd(1,2).b"`) {
		t.Errorf("header %s", lines[0])
	}
	if len(lines) != 4 || slices.ContainsFunc(lines[1:], func(l string) bool { return !strings.HasPrefix(l, "S1,1m,") }) {
		t.Errorf("lines\n%s", out.String())
	}
	if want := "S1,1m,1700000040000,1700000099999,11.5,16.5,10.5,"; !strings.HasPrefix(lines[1], want) {
		t.Errorf("%s does not begin with %s", lines[1], want)
	}
}

func TestDecisionsActAtTheirPlaces(t *testing.T) {
	l := trades(10)
	l.decisions = []kafka.JournalRecord{{At: 10, N: 1, LO: -1, Timestamp: begin + 90_000, Body: wire.AppendOps(nil, []core.Op{{Kind: core.OpIdle, Source: "ticks", TS: begin + 80_000, Now: begin + 90_000}})}}
	var out strings.Builder
	totals := play(t, Config{Engine: engine(t, "1m"), Topic: "ticks", Input: l, Sink: Lines(&out, nil), Speed: feed.Speed(math.Inf(1))})
	if totals.Decisions != 1 || strings.Count(out.String(), `"itv":"1m"`) != 2 {
		t.Errorf("%+v\n%s", totals, out.String())
	}
	// Taken behind another record than stands there: not the same input.
	l = trades(10)
	l.decisions = []kafka.JournalRecord{{At: 5, N: 1, LO: 4, LC: 1, Body: wire.AppendOps(nil, []core.Op{{Kind: core.OpStart}})}}
	p, err := New(Config{Engine: engine(t, "1m"), Topic: "ticks", Input: l, Sink: Lines(io.Discard, nil), Speed: feed.Speed(math.Inf(1))})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "taken behind record 4") {
		t.Errorf("a journal of another input: %v", err)
	}
}

func TestAPaceHoldsRecordsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		play(t, Config{Engine: engine(t, "1m"), Topic: "ticks", Input: trades(200), Sink: Lines(io.Discard, nil), Speed: 10})
		if took := time.Since(began); took != 9900*time.Millisecond {
			t.Errorf("99 s of trades took %s at 10x", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		p, err := New(Config{Engine: engine(t, "1m"), Topic: "ticks", Input: trades(200), Sink: Lines(io.Discard, nil), Speed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if _, err := p.Run(ctx); err == nil {
			t.Error("an interrupted run has no error")
		}
	})
}

func TestAFileEndsWithAHeartbeat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.csv")
	text := "ts,price,size,symbol\n1700000040000,1.5,2,X\n1700000100600,1.6,3,X\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := OpenFile(feed.ReplayConfig{File: file})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out strings.Builder
	totals := play(t, Config{Engine: engine(t, "1m"), Topic: "ticks", Input: in, Sink: Lines(&out, nil), Speed: feed.Speed(math.Inf(1))})
	if totals.Records != 3 || totals.Trades != 2 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%+v\n%s", totals, out.String())
	}
}
