package pipeline

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Config is everything an Engine is built from. New copies it; zero values are
// filled with the defaults named here.
type Config struct {
	// Embedded or Kafka says where trades are consumed; exactly one is set.
	Embedded *EmbeddedSource
	Kafka    *KafkaSource
	// Redis adds the Redis view; nil keeps the view in memory alone.
	Redis *RedisStore

	// Intervals are the bar lengths. Default: 1s 1m 5m 15m 1h 4h 1d 1w.
	Intervals []core.Interval
	// Symbols are the rules per symbol or pattern, first match wins.
	Symbols []core.SymbolRule
	// Mapping names the fields of a trade; nil = the generic form.
	Mapping *wire.Mapping

	WatermarkDelay  time.Duration // Default: 500ms.
	IdleTimeout     time.Duration // 0 = default 2s, below 0 = off.
	IdleDelay       time.Duration // Default: 1s.
	MaxFuture       time.Duration // Default: 5s.
	MaxAge          time.Duration // 0 = off.
	AllowedLateness time.Duration // Default: 1m.
	MaxSymbols      int           // Default: 10000.

	// ViewBars and ViewMemory bound the bars kept for readers: per series, and
	// over all series in bytes. Defaults: 1000, 128 MiB.
	ViewBars   int
	ViewMemory int64
	// NoView leaves the view empty: this node computes, and nobody reads from
	// it. Its hub never becomes ready.
	NoView bool
	// RingBytes bounds the frames kept for resuming streams. Default: 16 MiB.
	RingBytes int64

	// DataDir holds the node's name and, with the embedded source, its log.
	DataDir string
	// Node is the member name in the group. Default: random, kept in DataDir.
	Node string
	// Indicators runs the configured instances; nil computes none.
	Indicators Indicators

	Clock    clock.Clock
	Observer Observer
	Log      Logger
}

// EmbeddedSource is a broker inside the process, kept on disk in
// Config.DataDir/broker unless Dir says otherwise.
type EmbeddedSource struct {
	Dir        string
	Listen     string // Default: 127.0.0.1:9092.
	Partitions int32  // Default: 1.
	Retention  int64  // Bytes over all topics. Default: 512 MiB.
	Sync       bool   // fsync per batch.
}

// KafkaSource is a topic on brokers outside the process.
type KafkaSource struct {
	Brokers      []string
	Topic        string // Default: ticks.
	Group        string // Default: caddy-kline.
	OutputPrefix string
	CreateTopics bool
	// Idempotent writes without transactions (word delivery): for exactly one
	// node, and for brokers that have none.
	Idempotent bool
	// StrictPartitioner refuses a symbol in a partition to which murmur2 does
	// not hash it.
	StrictPartitioner bool
	// SessionTimeout is after how long without a sign of life the partitions of
	// a node go to others. Default: 45s, longer than a restart.
	SessionTimeout time.Duration
	// SASL is asked for the current secret at each new connection.
	SASL *SASL
	// TLS is likewise asked at each new connection; nil: plain text.
	TLS func() *tls.Config
	// Dial replaces the network's dialer, and TLS with it. For tests that have a
	// network of their own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// SASL is how to authenticate. Credentials is called per connection, so that a
// rotated secret needs no restart.
type SASL struct {
	Mechanism   string // "plain", "scram_sha_256" or "scram_sha_512"
	Credentials func() (user, password string)
}

// RedisStore is the Redis that mirrors the newest klines. Exactly one of Addr (a
// single server), Sentinels (which watch Master) and Cluster (some of its nodes)
// is set; all are host:port.
type RedisStore struct {
	Addr        string
	Sentinels   []string
	Master      string
	Cluster     []string
	Credentials func() (user, password string)
	TLS         func() *tls.Config
	KeyPrefix   string // Default: kl.
}

// Logger is the pipeline's log: a message and alternating keys and values.
type Logger interface {
	Debug(msg string, kv ...any)
	Info(msg string, kv ...any)
	Warn(msg string, kv ...any)
	Error(msg string, kv ...any)
}
