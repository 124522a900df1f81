package pipeline

import (
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Observer receives what the engine counts. Its methods are called from many
// goroutines, must not block and must not keep what they are given. Names in
// the arguments come from closed sets (interval, reason, state, sink) or from
// the configuration (source, partition number), never from records.
type Observer interface {
	// Counters reports the exact totals of partition p since its log began,
	// as they stand in the state: the conservation law is checked on them.
	Counters(p int32, c core.Counters)
	// Klines counts n records of the interval written to the topic; kind is
	// "closed", "restated" or "values".
	Klines(interval, kind string, n int)
	// Lag reports how many records of partition p wait and how old the
	// newest processed one is.
	Lag(p int32, records int64, age time.Duration)
	// Watermark reports how far event time of partition p is behind the clock.
	Watermark(p int32, behind time.Duration)
	// Checkpoint reports a written checkpoint of partition p.
	Checkpoint(p int32, bytes int, took time.Duration)
	// Restored reports a restore of partition p; replayed is the number of
	// input records between the checkpoint and the group's committed offset.
	Restored(p int32, took time.Duration, replayed int64)
	// Published reports one unit: outputs acknowledged, checkpoint and commit.
	Published(p int32, took time.Duration)
	// Partition reports a change of state: see PartitionState.
	Partition(p int32, s PartitionState)
	// Moved counts an assignment or loss of a partition.
	Moved(p int32)
	// Journal counts journal records: result is "acted", "start" or "void".
	Journal(result string, took time.Duration)
	// CommitError counts a failed offset commit; reason is a closed set:
	// "timeout", "refused".
	CommitError(reason string)
	// Transaction counts a transaction that ended; result is "committed",
	// "refused" or "unknown".
	Transaction(result string, took time.Duration)
	// Queue reports the batches waiting in the queue of partition p and
	// whether it is paused.
	Queue(p int32, batches int, paused bool)
	// Sink reports the lag of a follower of klines in records.
	Sink(name string, p int32, lag int64)
	// SinkError counts a failure of a follower; reason is a closed set.
	SinkError(name, reason string)
	// SinkRewind counts a sink that was found behind its position.
	SinkRewind(name string)
	// FeedTrades counts trades that a feed got acknowledged.
	FeedTrades(source string, n int)
	// FeedError counts a failed send of a feed.
	FeedError(source, reason string)
	// FeedGap, FeedRefused and FeedSpill are those of feed.Observer.
	FeedGap(source, kind string, n int64)
	FeedRefused(source, reason string, n int)
	FeedSpill(source string, bytes int64)
	// State reports symbols, symbols seen in two partitions and the size of
	// the last snapshot of partition p in bytes.
	State(p int32, symbols, bytes int)
	// Stalled counts a partition that made no progress with records waiting.
	Stalled(p int32)
	// Panicked counts a goroutine that ended in a panic.
	Panicked(name string)
}
