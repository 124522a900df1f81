package feed

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// offsets is how many of the newest latencies the smallest is taken of.
const offsets = 64

// failuresDown is after how many failed turns in a row a symbol's feed is down.
const failuresDown = 3

// beats are the heartbeats of a feed from a venue: a promise that no older
// trade follows, made only as far as each symbol was read. They are written by a
// goroutine of their own: a topic that is away holds a write for as long, and who
// waited for it would neither read nor spill meanwhile.
type beats struct {
	l   *live
	out Topic
	d   *delivery
	// start is where our milliseconds are counted from: a promise compares what
	// we read with when we read it, and a clock that is set in between would move
	// it by as much.
	start time.Time
	due   chan core.Heartbeat // the newest that is not written yet

	mu      sync.Mutex // protects the rest
	reach   map[string]time.Time
	down    map[string]bool
	latency [offsets]int64 // receive time less event time of the newest trades, ms
	n       int
	newest  int64 // event time, ms
	told    int64
	up      bool
}

func newBeats(l *live, out Topic, d *delivery) *beats {
	return &beats{
		l: l, out: out, d: d, start: l.Clock.Now(), due: make(chan core.Heartbeat, 1),
		reach: map[string]time.Time{}, down: map[string]bool{}, up: true,
	}
}

// millis is a moment of our clock as it was when the feed began, ms.
func (b *beats) millis(at time.Time) int64 {
	return b.start.UnixMilli() + at.Sub(b.start).Milliseconds()
}

// reached notes that everything of a symbol up to a moment of our clock was
// delivered. event is its newest event time, ms.
func (b *beats) reached(symbol string, at time.Time, event int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reach[symbol] = at
	delete(b.down, symbol)
	if event > b.newest {
		b.newest = event
		b.latency[b.n%offsets] = b.millis(at) - event
		b.n++
	}
}

func (b *beats) failed(symbol string, failures int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if failures >= failuresDown {
		b.down[symbol] = true
	}
}

func (b *beats) forget(symbol string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.reach, symbol)
	delete(b.down, symbol)
}

// skew is how far our clock is ahead of the venue's, as far as the fastest of
// the newest trades tells, ms.
func (b *beats) skew() (int64, bool) {
	if b.n == 0 {
		return 0, false
	}
	least := int64(math.MaxInt64)
	for i := range min(b.n, offsets) {
		least = min(least, b.latency[i])
	}
	return least, true
}

// horizon is the event time (ms) below which nothing follows, 0 unknown. With
// all symbols here that is how far the slowest was read; with some elsewhere, as
// far as another node may be behind before this one takes over.
func (b *beats) horizon(all bool, period time.Duration) int64 {
	skew, known := b.skew()
	if !known {
		return 0
	}
	now := b.l.Clock.Now()
	low := now
	for _, at := range b.reach {
		if at.Before(low) {
			low = at
		}
	}
	if all && len(b.reach) < len(b.l.Symbols) {
		return 0 // some symbol was not read once
	}
	if !all {
		if limit := now.Add(-2*b.l.LeaseTime - 2*period); low.After(limit) {
			low = limit
		}
	}
	return min(b.millis(low)-max(skew, 0)-b.l.Delay.Milliseconds(), now.UnixMilli())
}

// tell leaves a heartbeat to be written, in the place of one that still waits.
// What it promises was on the topic before, so that it may be written at any time
// later. Nothing is promised while trades wait on the disk, and nobody who reads no
// symbol speaks for the source.
func (b *beats) tell(all bool, period time.Duration) {
	if b.l.NoHeartbeats {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ts := b.horizon(all, period)
	if !b.d.clear() { // asked behind the horizon: trades may just have gone to the disk
		return
	}
	mine, up, wasUp := len(b.reach) > 0, len(b.down) == 0, b.up
	if mine {
		b.up = up
	}
	b.told = max(b.told, ts)
	if !mine || b.told <= 0 || !up && !wasUp {
		return
	}
	select {
	case <-b.due:
	default:
	}
	b.due <- core.Heartbeat{Source: b.l.SourceName, TS: b.told, Up: up}
}

// run writes heartbeats until ctx ends.
func (b *beats) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case hb := <-b.due:
			b.write(ctx, hb)
		}
	}
}

// write sends one heartbeat to every partition. One that the topic refuses is left
// out: the next one says more.
func (b *beats) write(ctx context.Context, hb core.Heartbeat) {
	value := wire.AppendHeartbeat(nil, hb)
	now := b.l.Clock.Now().UnixMilli()
	recs := make([]Record, 0, 16)
	for p := range b.out.Partitions() {
		recs = append(recs, Record{
			Value: value, Timestamp: now, Partition: p,
			Headers: []Header{
				{Key: wire.HeaderKind, Value: []byte(wire.KindHeartbeat)},
				{Key: wire.HeaderSource, Value: []byte(b.l.SourceName)},
			},
		})
	}
	if len(recs) == 0 {
		return
	}
	if err := b.out.Write(ctx, recs); err != nil {
		b.l.Observer.FeedError(b.l.SourceName, reasonWrite)
	}
}
