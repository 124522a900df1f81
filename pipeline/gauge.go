package pipeline

import (
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// partitionGauge is what a worker lets others see of itself.
type partitionGauge struct {
	mu       sync.Mutex // protects all fields
	status   PartitionStatus
	end      int64 // high watermark of the input as last seen
	behind   int64 // offset behind the last batch, markers included
	newest   int64 // Kafka timestamp of the newest record processed, ms
	counters core.Counters
	progress time.Time // when something was last done
}

// alive notes that part of a batch or a decision is done. One record may close
// a bar of every symbol, which a small machine needs a while for.
func (g *partitionGauge) alive(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress = now
}

// fetched notes that a batch is processed.
func (g *partitionGauge) fetched(b *kafka.Batch, next int64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress = now
	g.behind = max(b.Next, next)
	g.end = max(b.HighWatermark, g.behind)
	g.status.Next = next
	g.status.Lag = g.end - g.behind
	if n := len(b.Records); n > 0 && !b.Records[n-1].Oversized {
		g.newest = b.Records[n-1].Timestamp
	}
}

func (g *partitionGauge) restored(next, end int64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress = now
	g.behind, g.end = next, end
	g.status.Next, g.status.Lag = next, end-next
	g.status.State = StateRunning
}

// atEnd tells whether all that was in the partition is processed.
func (g *partitionGauge) atEnd() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.behind >= g.end
}

// position is the offset behind the last batch, markers included.
func (g *partitionGauge) position() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.behind
}

func (g *partitionGauge) watermark() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status.Watermark
}

func (g *partitionGauge) read() (PartitionStatus, core.Counters) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status, g.counters
}

// stalled tells whether records wait and nothing was done for limit.
func (g *partitionGauge) stalled(now time.Time, limit time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status.State == StateRunning && g.status.Lag > 0 && now.Sub(g.progress) > limit
}

// report brings gauge and observer up to date.
func (w *worker) report(now time.Time) {
	wm, sources := w.sourceTimes.look(w.eng.Sources(), now)
	g := &w.status
	g.mu.Lock()
	g.status.Watermark, g.status.Sources = wm, sources
	g.status.Symbols = w.eng.Symbols()
	g.counters = w.eng.Counters()
	lag, newest, c := g.status.Lag, g.newest, g.counters
	g.mu.Unlock()
	age := time.Duration(0)
	if lag > 0 && newest > 0 {
		age = now.Sub(time.UnixMilli(newest))
	}
	o := w.cfg.Observer
	o.Counters(w.p, c)
	o.Lag(w.p, lag, age)
	if wm > 0 {
		o.Watermark(w.p, now.Sub(time.UnixMilli(wm)))
	}
	n, paused := w.queue.state()
	o.Queue(w.p, n, paused)
}
