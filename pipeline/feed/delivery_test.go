package feed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// batchOf makes trades of A with ids from..to.
func batchOf(from, to int64) []adapter.Trade {
	var out []adapter.Trade
	for id := from; id <= to; id++ {
		out = append(out, adapter.Trade{Span: 1, Trade: core.Trade{
			Symbol: []byte("A"), Price: core.Decimal{Coef: 1}, Size: core.Decimal{Coef: 1}, EventNS: id * 1e6, ID: core.TradeID{Kind: core.IDInt, Num: id},
		}})
	}
	return out
}

// delivers waits for a topic that is away no longer than a test can, and long enough that
// a topic which takes trades is not given up by a busy machine: they would be there twice.
func delivers(t *testing.T, ctx context.Context, out *log, spillBytes int64) (*live, *delivery) {
	t.Helper()
	l, err := newLive(Live{SourceName: "x/1", Format: adapter.Format{Preset: "binance"}, Symbols: []string{"A"}, DeliveryTimeout: 2 * time.Second, SpillBytes: spillBytes})
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDelivery(ctx, l, out)
	if err != nil {
		t.Fatal(err)
	}
	return l, d
}

func TestTradesGoToTheDiskAndFromThereInOrder_B02(t *testing.T) {
	out := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	l, d := delivers(t, ctx, out, 0)
	out.set(true)
	for i := range int64(5) {
		if err := l.send(ctx, d, batchOf(10*i+1, 10*i+10), 0); err != nil {
			t.Fatal(err)
		}
	}
	if d.clear() || l.Report().Spilled == 0 || len(out.ids("A")) != 0 {
		t.Fatalf("clear %v, %+v, %d on the topic", d.clear(), l.Report(), len(out.ids("A")))
	}
	// The process dies, and the next one finds the broker away still.
	cancel()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	l, d = delivers(t, ctx, out, 0)
	if err := l.send(ctx, d, batchOf(51, 60), 0); err != nil {
		t.Fatal(err)
	}
	// What comes while the file still waits goes behind it.
	out.set(false)
	if err := l.send(ctx, d, batchOf(61, 70), 0); err != nil {
		t.Fatal(err)
	}
	within(t, "an empty file", d.clear)
	if err := l.send(ctx, d, batchOf(71, 71), 0); err != nil {
		t.Fatal(err)
	}
	within(t, "the last trade", func() bool { return len(out.ids("A")) >= 71 })
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 71)) {
		t.Errorf("%v", got)
	}
	info, err := os.Stat(filepath.Join(out.dir, "x_2f1.spill"))
	if err != nil || info.Size() != 0 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

// A lock holds for a shorter time than a topic is waited for: the trades must
// find their way to the disk all the same.
func TestPolledTradesGoToTheDiskWhenTheTopicIsAwayForLongerThanALock_B02(t *testing.T) {
	t.Parallel()
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(3)
	out.set(true)
	cfg := e.config(c)
	cfg.LeaseTime, cfg.DeliveryTimeout, cfg.NoHeartbeats = 600*time.Millisecond, 2*time.Second, true
	h, err := NewHTTP(HTTPConfig{Live: cfg, Period: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	stop := runs(t, h.Run, out)
	within(t, "trades on the disk", func() bool { return h.Report().Spilled > 0 })
	stop()
	// The venue forgets, the node starts again, the topic is back.
	e.lose(0, 1, 2, 3)
	out.set(false)
	polls(t, e, out, c)
	within(t, "the trades", func() bool { return len(out.ids("A")) >= 3 })
	// A lock that was lost and taken again reads them again: repeats are told by id.
	got := out.ids("A")
	if slices.Sort(got); !slices.Equal(slices.Compact(got), upTo(1, 3)) {
		t.Errorf("%v", got)
	}
}

// What waits on the disk is told without a trade that comes: a quiet market has none.
func TestTheStatusSaysWhatWaitsOnTheDiskWithoutAnotherTrade(t *testing.T) {
	out := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	l, d := delivers(t, ctx, out, 0)
	out.set(true)
	if err := l.send(ctx, d, batchOf(1, 10), 0); err != nil {
		t.Fatal(err)
	}
	out.set(false)
	within(t, "an empty file", d.clear)
	if got := l.Report().Spilled; got != 0 {
		t.Errorf("all was sent, and %d bytes are said to wait", got)
	}
	out.set(true)
	if err := l.send(ctx, d, batchOf(11, 20), 0); err != nil {
		t.Fatal(err)
	}
	waits := l.Report().Spilled
	cancel()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	l, d = delivers(t, ctx, out, 0)
	if got := l.Report().Spilled; got != waits || got == 0 {
		t.Errorf("a new process says that %d bytes wait, the one before %d", got, waits)
	}
	cancel()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
}

// The file was sent by nobody any more, and with the lock that the panic had kept the
// feed stood still.
func TestTheFileIsSentOnAfterAPanic(t *testing.T) {
	out := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, d := delivers(t, ctx, out, 0)
	out.set(true)
	if err := l.send(ctx, d, batchOf(1, 10), 0); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	told, panicked := d.waits, false
	d.waits = func(n int64) {
		if !panicked {
			panicked = true
			panic("boom")
		}
		told(n)
	}
	d.mu.Unlock()
	out.set(false)
	within(t, "an empty file", d.clear)
	if err := l.send(ctx, d, batchOf(11, 20), 0); err != nil {
		t.Fatal(err)
	}
	if got := out.ids("A"); !panicked || !slices.Equal(got, upTo(1, 20)) {
		t.Errorf("panicked %v, on the topic %v", panicked, got)
	}
}

// A power failure took the name of the file, and with it all trades in it.
func TestANewSpillFileHasItsNameOnTheDiskBeforeTradesAreSafe(t *testing.T) {
	s, err := openSpill(filepath.Join(t.TempDir(), "a.spill"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var synced []string
	broken := errors.New("the folder cannot be synced")
	s.folder = func(dir string) error {
		synced = append(synced, dir)
		if len(synced) == 1 {
			return broken
		}
		return nil
	}
	recs := []Record{{Value: []byte("{}")}}
	if err := s.append(recs); !errors.Is(err, broken) || s.waiting() != 0 {
		t.Errorf("without its name: %v, %d bytes wait", err, s.waiting())
	}
	for range 2 {
		if err := s.append(recs); err != nil {
			t.Fatal(err)
		}
	}
	if want := filepath.Dir(s.path); !slices.Equal(synced, []string{want, want}) {
		t.Errorf("synced %v, want the folder until it is done", synced)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskMakesTheFeedWaitAndLosesNothing(t *testing.T) {
	out := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, d := delivers(t, ctx, out, 12_000)
	out.set(true)
	sent := make(chan error, 1)
	go func() {
		for i := range int64(20) {
			if err := l.send(ctx, d, batchOf(10*i+1, 10*i+10), 0); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	within(t, "trades on the disk", func() bool { return l.Report().Spilled > 0 })
	select {
	case err := <-sent:
		t.Fatalf("200 trades fitted into 12 kB: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	info, err := os.Stat(filepath.Join(out.dir, "x_2f1.spill"))
	if err != nil || info.Size() > 12_000 || info.Size() == 0 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	out.set(false)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	within(t, "all trades", func() bool { return d.clear() && len(out.ids("A")) >= 200 })
	got := out.ids("A")
	if !slices.IsSorted(got) || !slices.Equal(slices.Compact(got), upTo(1, 200)) {
		t.Errorf("%v", got)
	}
}

// The trades of a damaged end are nowhere else: the next damage at the same place must
// not write over them.
func TestADamagedEndThatWasPutAsideStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.spill")
	var kept []string
	for _, end := range []string{"first", "second", "third"} {
		if err := os.WriteFile(path, []byte(end), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSpill(path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, s.damaged)
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"first", "second", "third"} {
		if b, err := os.ReadFile(kept[i]); err != nil || string(b) != want {
			t.Errorf("%s holds %q, want %q (%v)", filepath.Base(kept[i]), b, want, err)
		}
	}
}

func TestASpillFileCutAtEveryByteGivesItsWholeBatches(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	s, err := openSpill(whole, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var ends []int64
	for i := range 3 {
		if err := s.append([]Record{{Key: []byte("A"), Value: fmt.Appendf(nil, "batch %d", i), Partition: Keyed}}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, s.size)
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, b []byte, want int, aside bool) {
		path := filepath.Join(t.TempDir(), "cut")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSpill(path, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer s.close()
		if (s.damaged != "") != aside {
			t.Fatalf("%s: put aside: %q", name, s.damaged)
		}
		for i := range want {
			recs, length, err := s.next()
			if err != nil || string(recs[0].Value) != fmt.Sprintf("batch %d", i) {
				t.Fatalf("%s: batch %d: %v, %v", name, i, recs, err)
			}
			if err := s.sent(length); err != nil {
				t.Fatal(err)
			}
		}
		if s.waiting() != 0 {
			t.Fatalf("%s: %d bytes too many", name, s.waiting())
		}
	}
	for n := range int64(len(b)) + 1 {
		want := 0
		for _, end := range ends {
			if end <= n {
				want++
			}
		}
		check(fmt.Sprintf("cut at %d", n), b[:n], want, n != 0 && !slices.Contains(ends, n))
	}
	for i := range b {
		bad := slices.Clone(b)
		bad[i] ^= 0x10
		want := 0
		for _, end := range ends {
			if end <= int64(i) {
				want++
			}
		}
		check(fmt.Sprintf("bit of byte %d", i), bad, want, true)
	}
}

// forgetful is Shared that remembers ids.
type forgetful struct {
	*Memory
	seen map[string]bool
}

func (f *forgetful) Seen(_ context.Context, mark, ask []string, _ time.Duration) ([]bool, error) {
	for _, id := range mark {
		f.seen[id] = true
	}
	out := make([]bool, len(ask))
	for i, id := range ask {
		out[i] = f.seen[id]
	}
	return out, nil
}

func TestOnlyAcknowledgedTradesCountAsSeen(t *testing.T) {
	out := newLog(t)
	remembered := &forgetful{NewMemory(nil), map[string]bool{}}
	out.shared = remembered
	ctx, cancel := context.WithCancel(t.Context())
	l, d := delivers(t, ctx, out, 0)
	out.set(true)
	for _, b := range [][]adapter.Trade{batchOf(1, 2), batchOf(3, 3)} { // to the disk; the second would tell of the first
		if err := l.send(ctx, d, b, 0); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	// The disk is lost with its node; another node asks the venue again.
	out.set(false)
	out.dir = t.TempDir()
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	l, d = delivers(t, ctx, out, 0)
	for range 3 {
		if err := l.send(ctx, d, batchOf(1, 2), 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := out.ids("A"); !slices.Equal(got, upTo(1, 2)) {
		t.Errorf("%v: what never arrived must be sent, what did arrive need not be again", got)
	}
}

func TestMessageIDsNameSourceSymbolAndTrade(t *testing.T) {
	for want, id := range map[string]core.TradeID{
		"s|A|7": {Kind: core.IDInt, Num: 7}, "s|A|x-y": {Kind: core.IDText, Text: []byte("x-y")}, "": {},
	} {
		if got := string(MessageID("s", &core.Trade{Symbol: []byte("A"), ID: id})); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if wire.HeaderMessageID != "message_id" {
		t.Error("consumers know the header by its name")
	}
}
