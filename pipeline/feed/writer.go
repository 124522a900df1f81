package feed

import "context"

// Keyed as a Record's partition means: where the hash of the key says.
const Keyed int32 = -1

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Record is one record for the input topic.
type Record struct {
	// Key is the symbol, nil on heartbeats.
	Key, Value []byte
	Headers    []Header
	// Timestamp is the Kafka timestamp, ms UTC: when the feed had the trade.
	Timestamp int64
	// Partition is Keyed, or the partition of a heartbeat.
	Partition int32
}

// TradeWriter is the input topic as a feed sees it.
type TradeWriter interface {
	// Write returns when all records are acknowledged. They are written in
	// order per key. After an error nobody knows which are on the log.
	Write(ctx context.Context, recs []Record) error
	// LastTrade returns id and event time (ms UTC) of the newest trade of a
	// symbol that has an integer id; found is false if there is none.
	LastTrade(ctx context.Context, symbol string) (id, eventMS int64, found bool, err error)
	// Partitions is the number of partitions, 0 while it is not known.
	Partitions() int32
}

// Observer counts what feeds do.
type Observer interface {
	// FeedTrades counts n trades that were acknowledged.
	FeedTrades(source string, n int)
	// FeedError counts a failure; reason is of a closed set.
	FeedError(source, reason string)
	// FeedGap counts trades that a feed knows it did not get; kind is
	// "sequence" (n ids are missing) or "outage" (nobody knows how many).
	FeedGap(source, kind string, n int64)
	// FeedRefused counts what a venue sent and cannot be used; reason is one of
	// the closed set of reasons.
	FeedRefused(source, reason string, n int)
	// FeedSpill tells how many bytes wait on the disk.
	FeedSpill(source string, bytes int64)
}

// Logger takes messages with alternating keys and values. *slog.Logger is one.
type Logger interface {
	Info(msg string, keysAndValues ...any)
	Warn(msg string, keysAndValues ...any)
}

type silent struct{}

func (silent) FeedTrades(string, int)          {}
func (silent) FeedError(string, string)        {}
func (silent) FeedGap(string, string, int64)   {}
func (silent) FeedRefused(string, string, int) {}
func (silent) FeedSpill(string, int64)         {}
func (silent) Info(string, ...any)             {}
func (silent) Warn(string, ...any)             {}

var (
	_ Observer = silent{}
	_ Logger   = silent{}
)
