package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// followed runs Follow in the background and collects its spans.
type followed struct {
	mu    sync.Mutex // protects spans
	spans []Span
	end   chan error
}

func (b *bed) follow(cfg FollowConfig) *followed {
	b.t.Helper()
	cfg.Cluster, cfg.Partitions = b.at, b.layout.N
	ctx, cancel := context.WithCancel(context.Background())
	f := &followed{end: make(chan error, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.end <- Follow(ctx, cfg, func(s Span) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.spans = append(f.spans, s)
			return nil
		})
	}()
	b.t.Cleanup(func() { cancel(); <-done })
	return f
}

// at returns how far p was followed, its values, and whether it has caught up.
func (f *followed) at(p int32) (next int64, values string, caughtUp bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next = -1
	var vs []string
	for _, s := range f.spans {
		if s.P != p {
			continue
		}
		if next >= 0 && s.From != next {
			vs = append(vs, fmt.Sprintf("(jump %d to %d)", next, s.From))
		}
		next, caughtUp = s.To, s.CaughtUp()
		for _, r := range s.Records {
			vs = append(vs, string(r.Value))
		}
	}
	return next, strings.Join(vs, " "), caughtUp
}

func TestFollowKnowsWhenItHasCaughtUp(t *testing.T) {
	b := newBed(t, 3)
	for i := range 7 {
		b.write("klines", 0, fmt.Appendf(nil, "%d", i))
	}
	b.write("klines", 1, []byte("a"))
	f := b.follow(FollowConfig{Topic: "klines", From: map[int32]int64{0: 4, 1: 1, 2: FromStart}, MaxRecords: 2})
	for p, want := range map[int32]struct {
		next   int64
		values string
	}{0: {7, "4 5 6"}, 1: {1, ""}, 2: {0, ""}} {
		eventually(t, fmt.Sprintf("partition %d is caught up", p), func() bool { _, _, ok := f.at(p); return ok })
		if next, values, _ := f.at(p); next != want.next || values != want.values {
			t.Errorf("partition %d: at %d with %q, want %d with %q", p, next, values, want.next, want.values)
		}
	}
	b.write("klines", 2, []byte("late"))
	eventually(t, "the new record", func() bool { _, v, _ := f.at(2); return v == "late" })
}

func TestFollowSeesNothingUncommittedAndPassesMarkers(t *testing.T) {
	b := newBed(t, 1)
	b.write("klines", 0, []byte("a"))
	b.abort("klines", 0, 3)
	f := b.follow(FollowConfig{Topic: "klines"})
	eventually(t, "the end behind the marker", func() bool { next, _, ok := f.at(0); return ok && next == 5 })
	if _, values, _ := f.at(0); values != "a" {
		t.Errorf("followed %q", values)
	}
}

func TestFollowFromWhatRetentionRemovedShowsAJump(t *testing.T) {
	b := newBed(t, 1)
	for i := range 6 {
		b.write("klines", 0, fmt.Appendf(nil, "%d", i))
	}
	if err := b.fake.DeleteRecords("klines", 0, 4); err != nil {
		t.Fatal(err)
	}
	f := b.follow(FollowConfig{Topic: "klines", From: map[int32]int64{0: 1}})
	eventually(t, "the end", func() bool { _, _, ok := f.at(0); return ok })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.spans[0].From != 4 {
		t.Errorf("begins at %d, the log starts at 4", f.spans[0].From)
	}
}

// Records of a slow reader are removed while it reads: its position still means
// something, so it is no loss of the input.
func TestFollowThatRetentionOvertakesEndsOutOfRange(t *testing.T) {
	b := newBed(t, 1)
	write := func(from, to int) {
		for i := from; i < to; i++ {
			b.write("klines", 0, fmt.Appendf(nil, "%d", i))
		}
	}
	write(0, 3) // one fetch, of which the first record is handed over alone
	var next int64
	err := Follow(b.ctx(), FollowConfig{Cluster: b.at, Topic: "klines", Partitions: 1, MaxRecords: 1}, func(s Span) error {
		if next == 0 {
			write(3, 6)
			if err := b.fake.DeleteRecords("klines", 0, 5); err != nil {
				return err
			}
		}
		next = s.To
		return nil
	})
	if !errors.Is(err, ErrOutOfRange) || errors.Is(err, ErrInputLost) || next != 3 {
		t.Errorf("read up to %d: %v", next, err)
	}
}

func TestFollowEndsWhenThePositionIsBeyondTheLog(t *testing.T) {
	b := newBed(t, 1)
	f := b.follow(FollowConfig{Topic: "klines", From: map[int32]int64{0: 3}})
	if err := <-f.end; !errors.Is(err, ErrInputLost) {
		t.Errorf("got %v", err)
	}
}

func TestFollowReturnsTheCallersError(t *testing.T) {
	b := newBed(t, 1)
	b.write("klines", 0, []byte("a"))
	full := errors.New("full")
	err := Follow(b.ctx(), FollowConfig{Cluster: b.at, Topic: "klines", Partitions: 1}, func(Span) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestReadRangeIsHalfOpenAndStopsWhenTold(t *testing.T) {
	b := newBed(t, 1)
	for i := range 9 {
		b.write("klines", 0, fmt.Appendf(nil, "%d", i))
	}
	got := ""
	read := func(from, to int64, n int) string {
		got = ""
		if err := ReadRange(b.ctx(), b.at, "klines", 0, from, to, func(r Rec) bool {
			got += string(r.Value)
			return len(got) < n
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, tt := range []struct {
		from, to int64
		n        int
		want     string
	}{{2, 6, 99, "2345"}, {0, 9, 99, "012345678"}, {3, 3, 99, ""}, {0, 9, 2, "01"}} {
		if got := read(tt.from, tt.to, tt.n); got != tt.want {
			t.Errorf("[%d,%d) up to %d: %q, want %q", tt.from, tt.to, tt.n, got, tt.want)
		}
	}
	if err := b.fake.DeleteRecords("klines", 0, 5); err != nil {
		t.Fatal(err)
	}
	if err := ReadRange(b.ctx(), b.at, "klines", 0, 2, 6, func(Rec) bool { return true }); err == nil {
		t.Error("records that are gone were skipped silently")
	}
	got = ""
	left := func(from, to int64) {
		if err := ReadRetained(b.ctx(), b.at, "klines", 0, from, to, func(r Rec) bool { got += string(r.Value); return true }); err != nil {
			t.Errorf("what is left of [%d,%d): %v", from, to, err)
		}
	}
	left(2, 7)
	left(0, 3)  // gone
	left(8, 99) // to the end of the log
	left(9, 99) // not there yet
	if got != "568" {
		t.Errorf("read %q of what is left, want 568", got)
	}
}

func TestLastRecordReadsBackwards(t *testing.T) {
	b := newBed(t, 1)
	recs := make([]*kgo.Record, 3000)
	for i := range recs {
		recs[i] = &kgo.Record{Topic: "ticks", Partition: 0, Key: []byte("B"), Value: fmt.Appendf(nil, "%d", i)}
	}
	recs[3].Key, recs[10].Key = []byte("A"), []byte("A")
	if err := b.cl.ProduceSync(b.ctx(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	looked := 0
	find := func(key string) (Rec, bool) {
		looked = 0
		r, ok, err := LastRecord(b.ctx(), b.at, "ticks", 0, func(r *Rec) bool { looked++; return string(r.Key) == key })
		if err != nil {
			t.Fatal(err)
		}
		return r, ok
	}
	if r, ok := find("B"); !ok || r.Offset != 2999 || looked > 256 {
		t.Errorf("B: %d, %v after %d records", r.Offset, ok, looked)
	}
	if r, ok := find("A"); !ok || r.Offset != 10 {
		t.Errorf("A: %d, %v", r.Offset, ok)
	}
	if _, ok := find("C"); ok || looked != 3000 {
		t.Errorf("C: %v after %d records", ok, looked)
	}
}

func TestProducerKeepsASymbolInItsPartition(t *testing.T) {
	b := newBed(t, 5)
	p, err := NewProducer(ProducerConfig{Cluster: b.at, Topic: "ticks"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var recs []TradeRecord
	for i := range 100 {
		for _, sym := range []string{"BTCUSDT", "ETHUSDT", "SOLUSDT"} {
			recs = append(recs, TradeRecord{Key: []byte(sym), Value: fmt.Appendf(nil, "%03d", i), Timestamp: 1_700_000_000_000})
		}
	}
	for part := range int32(5) {
		recs = append(recs, TradeRecord{Value: []byte("hb"), Explicit: true, Partition: part, Headers: []Header{{Key: "k", Value: []byte("hb")}}})
	}
	if err := p.Send(b.ctx(), recs); err != nil {
		t.Fatal(err)
	}
	for part := range int32(5) {
		last, beats := map[string]string{}, 0
		for _, r := range b.read("ticks", part) {
			if kind, ok := r.Header("k"); ok && string(kind) == "hb" {
				beats++
				continue
			}
			if want := PartitionOf(r.Key, 5); want != part {
				t.Errorf("%s is in %d, want %d", r.Key, part, want)
			}
			if r.Timestamp != 1_700_000_000_000 || string(r.Value) <= last[string(r.Key)] {
				t.Errorf("%s: %s after %s at %d", r.Key, r.Value, last[string(r.Key)], r.Timestamp)
			}
			last[string(r.Key)] = string(r.Value)
		}
		if beats != 1 {
			t.Errorf("partition %d has %d heartbeats", part, beats)
		}
	}
}

// murmur2 of Kafka's clients (Utils.murmur2): 21 -> -973932308, foobar ->
// -790332482, and so on; the sign bit is cut off before the modulo.
func TestPartitionOfIsKafkasDefault(t *testing.T) {
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536} {
		want := (hash & 0x7fffffff) % 12
		if got := PartitionOf([]byte(key), 12); got != want {
			t.Errorf("%s goes to %d, want %d", key, got, want)
		}
	}
}

func TestSendBlocksWhileTheBrokerIsAwayAndReturnsWithCtx(t *testing.T) {
	p, err := NewProducer(ProducerConfig{Cluster: Cluster{Brokers: []string{"127.0.0.1:1"}}, Topic: "ticks"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := p.Send(ctx, []TradeRecord{{Key: []byte("A"), Value: []byte("1")}}); err == nil {
		t.Error("a record was acknowledged by nobody")
	}
	took := time.Since(began)
	t.Logf("returned after %v", took)
	if took < 150*time.Millisecond {
		t.Error("it did not wait for the broker")
	}
}
