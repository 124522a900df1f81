package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// nopObserver counts nothing.
type nopObserver struct{}

func (nopObserver) Counters(int32, core.Counters)        {}
func (nopObserver) Klines(string, string, int)           {}
func (nopObserver) Lag(int32, int64, time.Duration)      {}
func (nopObserver) Watermark(int32, time.Duration)       {}
func (nopObserver) Checkpoint(int32, int, time.Duration) {}
func (nopObserver) Restored(int32, time.Duration, int64) {}
func (nopObserver) Published(int32, time.Duration)       {}
func (nopObserver) Partition(int32, PartitionState)      {}
func (nopObserver) Moved(int32)                          {}
func (nopObserver) Journal(string, time.Duration)        {}
func (nopObserver) CommitError(string)                   {}
func (nopObserver) Transaction(string, time.Duration)    {}
func (nopObserver) Queue(int32, int, bool)               {}
func (nopObserver) Sink(string, int32, int64)            {}
func (nopObserver) SinkError(string, string)             {}
func (nopObserver) SinkRewind(string)                    {}
func (nopObserver) FeedTrades(string, int)               {}
func (nopObserver) FeedError(string, string)             {}
func (nopObserver) FeedGap(string, string, int64)        {}
func (nopObserver) FeedRefused(string, string, int)      {}
func (nopObserver) FeedSpill(string, int64)              {}
func (nopObserver) State(int32, int, int)                {}
func (nopObserver) Stalled(int32)                        {}
func (nopObserver) Panicked(string)                      {}

// kafkaObserver passes on what only the Kafka client sees.
type kafkaObserver struct {
	kafka.NopObserver
	Observer
	e *Engine
}

// Fetched heals the source: records arrive.
func (o kafkaObserver) Fetched(int32, int, int, int64) { o.e.heal("source") }

// FetchFailed shows the source as degraded until the next record arrives.
func (o kafkaObserver) FetchFailed(_ int32, err error) { o.e.degrade("source", err) }

// Restored heals the source: the broker answered.
func (o kafkaObserver) Restored(int32, time.Duration) {
	o.e.heal("source")
	if inc := o.e.current.Load(); inc != nil {
		inc.standing(o.e.cfg.Clock.Now())
	}
}

// Published is counted by the worker's publisher.
func (kafkaObserver) Published(int32, int, int, time.Duration) {}

// CommitFailed counts.
func (o kafkaObserver) CommitFailed(_ int32, err error) {
	reason := "refused"
	if errors.Is(err, context.DeadlineExceeded) {
		reason = "timeout"
	}
	o.CommitError(reason)
}

// Transaction counts.
func (o kafkaObserver) Transaction(result kafka.TransactionResult, took time.Duration) {
	o.Observer.Transaction(string(result), took)
}

// Decided is counted by the worker.
func (kafkaObserver) Decided(int32, time.Duration) {}

// Throttled is left to the broker's own metrics.
func (kafkaObserver) Throttled(time.Duration) {}

var (
	_ Observer       = nopObserver{}
	_ kafka.Observer = kafkaObserver{}
)
