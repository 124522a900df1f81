package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// topic is an input topic in memory. It belongs to the feed while that runs.
type topic struct {
	records []Record
	writes  []int // trades per write
	// fail, if set, decides about write n, from 0: how many records still
	// arrive, and the error. -1 means all.
	fail    func(n int) (arrive int, err error)
	lookups int // lookups that still fail
	n       int
}

func (w *topic) Write(_ context.Context, recs []Record) error {
	arrive, err := -1, error(nil)
	if w.fail != nil {
		arrive, err = w.fail(w.n)
	}
	w.n++
	if arrive < 0 {
		arrive = len(recs)
	}
	w.records = append(w.records, recs[:arrive]...)
	if err == nil && len(recs[0].Key) > 0 {
		w.writes = append(w.writes, len(recs))
	}
	return err
}

func (w *topic) LastTrade(_ context.Context, symbol string) (id, eventMS int64, found bool, err error) {
	if w.lookups > 0 {
		w.lookups--
		return 0, 0, false, errors.New("no broker")
	}
	for _, t := range w.trades() {
		if string(t.Symbol) == symbol {
			id, eventMS, found = t.ID.Num, t.EventNS/1e6, true
		}
	}
	return id, eventMS, found, nil
}

func (w *topic) Partitions() int32 { return 2 }

// trades decodes what arrived, in order.
func (w *topic) trades() []core.Trade {
	var out []core.Trade
	d := wire.NewDecoder(nil)
	for _, r := range w.records {
		if r.Key == nil {
			continue
		}
		trades, err := d.Decode(r.Value, nil)
		if err != nil || len(trades) != 1 || trades[0].Reject != core.ReasonNone {
			panic(fmt.Sprintf("the feed wrote %s: %v, %v", r.Value, trades, err))
		}
		out = append(out, trades[0])
	}
	return out
}

// beats returns the heartbeats of one partition.
func (w *topic) beats(t *testing.T, p int32) []core.Heartbeat {
	t.Helper()
	var out []core.Heartbeat
	for _, r := range w.records {
		if r.Key != nil || r.Partition != p {
			continue
		}
		if h := r.Headers[0]; h.Key != wire.HeaderKind || string(h.Value) != wire.KindHeartbeat {
			t.Errorf("heartbeat with headers %v", r.Headers)
		}
		hb, err := wire.DecodeHeartbeat(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, hb)
	}
	return out
}

// ids returns the ids that arrived, without repeats, and fails if they are not
// first, first+1 and so on.
func (w *topic) ids(t *testing.T, first int64) int64 {
	t.Helper()
	next := first
	for _, trade := range w.trades() {
		if trade.ID.Num > next {
			t.Fatalf("id %d follows %d: a trade was skipped", trade.ID.Num, next-1)
		}
		if trade.ID.Num == next {
			next++
		}
	}
	return next - 1
}

// day is where the clocks of these tests start; files begin at file.
const (
	day  = int64(1795239360000)
	file = int64(1385337600000)
)

// write makes a file of the test's folder.
func write(t *testing.T, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// spaced is a CSV of n trades, gap ms apart, of the symbols in turn.
func spaced(t *testing.T, n int, gap int64, symbols ...string) string {
	t.Helper()
	lines := []string{"ts,price,size,symbol"}
	for i := range n {
		lines = append(lines, fmt.Sprintf("%d,%d.5,0.1,%s", file+int64(i)*gap, i+1, symbols[i%len(symbols)]))
	}
	return write(t, "trades.csv", lines...)
}

// play runs a feed for a span of fake time and reports how it ended; errRunning
// if it had to be stopped.
func play(t *testing.T, cfg ReplayConfig, out *topic, span time.Duration) error {
	t.Helper()
	err := errRunning
	synctest.Test(t, func(t *testing.T) {
		fake := clock.NewFake(time.UnixMilli(day))
		if len(out.records) > 0 { // a restart, later
			fake.Advance(time.Duration(out.records[len(out.records)-1].Timestamp-day+1000) * time.Millisecond)
		}
		cfg.Clock = fake
		if cfg.SourceName == "" {
			cfg.SourceName = "demo"
		}
		r, nerr := NewReplay(cfg, out)
		if nerr != nil {
			t.Fatal(nerr)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var rerr error
		ended := false
		h := safego.Go("replay", func(err error) { rerr = err }, func() { rerr = r.Run(ctx); ended = true })
		synctest.Wait()
		for at := time.Duration(0); at < span && !ended; at += 5 * time.Millisecond {
			fake.Advance(5 * time.Millisecond)
			synctest.Wait()
		}
		if ended {
			err = rerr
		}
		cancel()
		h.Wait()
		if rerr != nil && !ended {
			t.Errorf("stopping gave %v", rerr)
		}
	})
	return err
}

var errRunning = errors.New("still running")

func TestReplayKeepsThePaceOfTheFile(t *testing.T) {
	out := &topic{}
	if err := play(t, ReplayConfig{File: spaced(t, 11, 1000, "A"), Speed: 10, RebaseNow: true}, out, time.Minute); err != nil {
		t.Fatal(err)
	}
	trades := out.trades()
	if len(trades) != 11 || out.ids(t, 1) != 11 {
		t.Fatalf("%d trades", len(trades))
	}
	i := 0
	for _, r := range out.records {
		if r.Key == nil {
			continue
		}
		event := trades[i].EventNS / 1e6
		if want := day + int64(i)*100; event != want {
			t.Errorf("trade %d has event time %+d, want %+d", i, event-day, want-day)
		}
		if late := r.Timestamp - event; late < 0 || late > 25 {
			t.Errorf("trade %d was sent %d ms after it was due", i, late)
		}
		if string(r.Key) != "A" || r.Partition != Keyed || string(r.Headers[1].Value) != "demo" || string(r.Headers[0].Value) != wire.ContentTrade {
			t.Errorf("record %+v", r)
		}
		i++
	}
}

func TestReplayWithoutRebaseLeavesEventTimes(t *testing.T) {
	out := &topic{}
	if err := play(t, ReplayConfig{File: spaced(t, 5, 1000, "A"), Speed: 2}, out, time.Minute); err != nil {
		t.Fatal(err)
	}
	for i, trade := range out.trades() {
		if trade.EventNS/1e6 != file+int64(i)*1000 {
			t.Errorf("trade %d at %d", i, trade.EventNS)
		}
	}
	beats := out.beats(t, 1)
	if last := beats[len(beats)-1]; last.TS != file+4000 || !last.Up {
		t.Errorf("last heartbeat %+v", last)
	}
	if took := out.records[len(out.records)-1].Timestamp - day; took < 2000 || took > 2100 {
		t.Errorf("4 s of the file at speed 2 took %d ms", took)
	}
}

// No heartbeat may promise more than the trades behind it keep.
func TestHeartbeatsNeverOvertakeTrades(t *testing.T) {
	disordered := write(t, "d.csv", "ts,price,size,symbol", "10000,1,1,A", "13000,1,1,B", "11000,1,1,A", "14000,1,1,B", "20000,1,1,A")
	for name, cfg := range map[string]ReplayConfig{
		"rebase":        {File: spaced(t, 40, 700, "A", "B"), Speed: 7, RebaseNow: true},
		"event times":   {File: spaced(t, 40, 700, "A", "B"), Speed: 7},
		"disorder":      {File: disordered},
		"preload":       {File: spaced(t, 3000, 700, "A", "B"), Speed: 7, RebaseNow: true, Preload: 30 * time.Minute},
		"as fast as it": {File: spaced(t, 3000, 700, "A"), Speed: mustSpeed(t, "max")},
	} {
		t.Run(name, func(t *testing.T) {
			out := &topic{}
			if err := play(t, cfg, out, 20*time.Second); err != nil && !errors.Is(err, errRunning) {
				t.Fatal(err)
			}
			told, n := int64(0), 0
			d := wire.NewDecoder(nil)
			for _, r := range out.records {
				if r.Key == nil {
					hb, err := wire.DecodeHeartbeat(r.Value)
					if err != nil || hb.TS < told {
						t.Fatalf("heartbeat %+v after %d, %v", hb, told, err)
					}
					told = hb.TS
					n++
					continue
				}
				trades, err := d.Decode(r.Value, nil)
				if err != nil {
					t.Fatal(err)
				}
				if event := trades[0].EventNS / 1e6; event < told {
					t.Fatalf("trade %d ms before the heartbeat", told-event)
				}
			}
			if n < 2 {
				t.Errorf("%d heartbeats", n)
			}
		})
	}
}

func TestHeartbeatsReachEveryPartitionWhileTheMarketIsQuiet(t *testing.T) {
	cfg := ReplayConfig{File: spaced(t, 2, 3_600_000, "A"), RebaseNow: true}
	out := &topic{}
	if err := play(t, cfg, out, 10*time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	for p := range int32(2) {
		beats := out.beats(t, p)
		if len(beats) < 38 || len(beats) > 41 {
			t.Errorf("partition %d: %d heartbeats in 10 s", p, len(beats))
		}
		if last := beats[len(beats)-1]; last.TS < day+9700 || last.Source != "demo" {
			t.Errorf("last heartbeat %+v", last)
		}
	}
	silent := &topic{}
	cfg.NoHeartbeats = true
	if err := play(t, cfg, silent, time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	if n := len(silent.beats(t, 0)); n != 0 {
		t.Errorf("%d heartbeats although they are off", n)
	}
}

func TestPreloadEndsNowAndTheRestPlaysLive(t *testing.T) {
	// An hour of trades each second; the first half hour at once.
	cfg := ReplayConfig{File: spaced(t, 3601, 1000, "A"), Speed: 60, RebaseNow: true, Preload: 30 * time.Minute}
	out := &topic{}
	if err := play(t, cfg, out, 10*time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	trades := out.trades()
	if len(trades) < 1800+590 || len(trades) > 1800+610 {
		t.Fatalf("%d trades after 10 s", len(trades))
	}
	if first, last := trades[0].EventNS/1e6-day, trades[1799].EventNS/1e6-day; first != -1_800_000 || last != -1000 {
		t.Errorf("the preload spans %d to %d ms", first, last)
	}
	if live := trades[1800].EventNS/1e6 - day; live < 0 || live > 50 {
		t.Errorf("the first live trade at %d ms", live)
	}
	before := len(trades)
	// The topic has trades now: a restart preloads nothing.
	if err := play(t, cfg, out, time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	again := out.trades()[before:]
	if len(again) < 50 || len(again) > 70 {
		t.Errorf("%d trades in the second after the restart", len(again))
	}
	out.ids(t, 1)
}

// A feed that stopped within its preload plays the rest of it live: bars of the
// past are closed by then.
func TestNothingIsPreloadedBesideTradesOfTheSymbol(t *testing.T) {
	cfg := ReplayConfig{File: spaced(t, 100, 1000, "A"), RebaseNow: true}
	out := &topic{}
	if err := play(t, cfg, out, 5*time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	n := len(out.trades())
	cfg.Preload = time.Hour
	if err := play(t, cfg, out, 5*time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	if m := len(out.trades()) - n; m < 5 || m > 6 {
		t.Errorf("%d trades in the 5 s after the restart", m)
	}
}

func TestPreloadOfAShortFileEndsNow(t *testing.T) {
	out := &topic{}
	if err := play(t, ReplayConfig{File: spaced(t, 11, 1000, "A"), RebaseNow: true, Preload: time.Hour}, out, time.Second); err != nil {
		t.Fatal(err)
	}
	trades := out.trades()
	if len(trades) != 11 || trades[10].EventNS/1e6 != day || trades[0].EventNS/1e6 != day-10_000 {
		t.Errorf("%d trades, last at %d", len(trades), trades[len(trades)-1].EventNS/1e6-day)
	}
}

func TestLoopShiftsIDs(t *testing.T) {
	ids := write(t, "ids.jsonl",
		`{"symbol":"A","price":1,"size":1,"ts":1000,"id":100}`, ``,
		`[{"symbol":"B","price":1,"size":1,"ts":1100,"id":90},{"symbol":"A","price":1,"size":1,"ts":1200,"id":101}]`)
	out := &topic{}
	if err := play(t, ReplayConfig{File: ids, Loop: true, RebaseNow: true}, out, 4*time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	var got []string
	for _, trade := range out.trades()[:7] {
		got = append(got, fmt.Sprintf("%s%d", trade.Symbol, trade.ID.Num))
	}
	// 90 to 101 are 12 ids.
	if s := strings.Join(got, " "); s != "A100 B90 A101 A112 B102 A113 A124" {
		t.Errorf("ids %s", s)
	}
}

func TestRestartGoesOnBehindTheLastTrade(t *testing.T) {
	for name, cfg := range map[string]ReplayConfig{
		"one symbol":  {File: spaced(t, 200, 100, "A"), Speed: 10, Loop: true, RebaseNow: true},
		"two symbols": {File: spaced(t, 201, 100, "A", "B"), Speed: 10, Loop: true, RebaseNow: true},
		"no loop":     {File: spaced(t, 1500, 100, "A"), Speed: 10},
		"full speed":  {File: spaced(t, 1500, 100, "A", "B", "C"), Speed: mustSpeed(t, "max")},
	} {
		t.Run(name, func(t *testing.T) {
			out := &topic{}
			for range 5 {
				if err := play(t, cfg, out, 1700*time.Millisecond); err != nil && !errors.Is(err, errRunning) {
					t.Fatal(err)
				}
			}
			trades := out.trades()
			if n := out.ids(t, 1); int(n) != len(trades) {
				t.Errorf("%d trades for %d ids: duplicates were sent", len(trades), n)
			}
			if len(trades) < 800 {
				t.Errorf("only %d trades after five runs", len(trades))
			}
		})
	}
}

// A crash can leave the last batch on the log in some partitions only.
func TestRestartFillsATornBatch(t *testing.T) {
	cfg := ReplayConfig{File: spaced(t, 100, 1, "A", "B"), Speed: mustSpeed(t, "max"), RebaseNow: true}
	out := &topic{}
	if err := play(t, cfg, out, time.Second); err != nil {
		t.Fatal(err)
	}
	var torn []Record // B's trades of the second half are gone
	for i, r := range out.records {
		if r.Key != nil && (string(r.Key) == "A" || i < 50) {
			torn = append(torn, r)
		}
	}
	out.records = torn
	if err := play(t, cfg, out, time.Second); err != nil {
		t.Fatal(err)
	}
	seen := map[int64]int{}
	for _, trade := range out.trades() {
		seen[trade.ID.Num]++
	}
	for id := int64(1); id <= 100; id++ {
		if seen[id] != 1 {
			t.Errorf("id %d arrived %d times", id, seen[id])
		}
	}
}

func TestFailedWritesAreRepeated(t *testing.T) {
	cfg := ReplayConfig{File: spaced(t, 1200, 1, "A"), Speed: mustSpeed(t, "max")}
	out := &topic{lookups: 3, fail: func(n int) (int, error) {
		if n%3 != 2 {
			return n % 7, errors.New("broker away")
		}
		return -1, nil
	}}
	if err := play(t, cfg, out, time.Minute); err != nil {
		t.Fatal(err)
	}
	if last := out.ids(t, 1); last != 1200 {
		t.Errorf("arrived up to id %d", last)
	}
	for _, n := range out.writes {
		if n > maxBatch {
			t.Errorf("a write of %d trades", n)
		}
	}
}

func TestStallMovesThePace(t *testing.T) {
	// Without a new anchor an outage of a minute would be followed by sixty
	// trades at once, with event times in the past.
	away := true
	out := &topic{}
	out.fail = func(int) (int, error) {
		if away && len(out.records) > 10 {
			if out.n > 30 { // some minutes of pauses
				away = false
			}
			return 0, errors.New("broker away")
		}
		return -1, nil
	}
	cfg := ReplayConfig{File: spaced(t, 1000, 1000, "A"), RebaseNow: true, NoHeartbeats: true}
	if err := play(t, cfg, out, 3*time.Minute); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	last, stalls := int64(0), 0
	for i, trade := range out.trades() {
		event := trade.EventNS / 1e6
		if late := out.records[i].Timestamp - event; late > 100 {
			t.Errorf("trade %d was sent %d ms after its event time", i, late)
		}
		gap := event - last
		if i > 0 && gap < 900 {
			t.Errorf("trade %d follows after %d ms", i, gap)
		}
		if i > 0 && gap > 10_000 {
			stalls++
		}
		last = event
	}
	if stalls != 1 {
		t.Errorf("%d stalls in the event times, want the one of the outage", stalls)
	}
}

func TestBrokenFileStopsTheFeedLoudly(t *testing.T) {
	path := spaced(t, 100, 1000, "A")
	out := &topic{}
	if err := play(t, ReplayConfig{File: path}, out, time.Second); !errors.Is(err, errRunning) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), "50.5,0.1", "50.5,lots", 1)
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	n := len(out.trades())
	err = play(t, ReplayConfig{File: path}, out, time.Second)
	if err == nil || !strings.Contains(err.Error(), `reading trades.csv:51: unusable line: reason size, field "size"`) {
		t.Fatalf("ended with %v", err)
	}
	if len(out.trades()) != n {
		t.Error("trades went out of a file that cannot be read to its end")
	}
	for p := range int32(2) {
		beats := out.beats(t, p)
		if last := beats[len(beats)-1]; last.Up {
			t.Errorf("partition %d was not told", p)
		}
	}
}

func mustSpeed(t *testing.T, text string) Speed {
	t.Helper()
	s, err := ParseSpeed(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
