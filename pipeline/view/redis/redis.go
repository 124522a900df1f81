// Package redis keeps the newest klines and values in a Redis server, behind
// Sentinel or in a cluster as well, for any client that can read a hash.
//
// The central type is Redis, a view.Sink. Each call of its script moves one
// partition from one position to the next and refuses to run twice or out of
// turn, so replies that get lost, servers that restart with older data or lose
// single keys, replicas that lag and several followers at once all end in the
// same view: what the topic says.
//
// The view is a copy. The package reads it only to know what to delete; no
// state, offset or lock of the pipeline depends on it. It does not retry: a
// command whose reply is missing is asked about, not sent again.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"github.com/caddy-kline/caddy-kline/pipeline/view"
)

// Defaults of Config.
const (
	DefaultPrefix   = "kl"
	DefaultViewBars = 1000
)

// ErrFenced means that the view belongs to a newer epoch of the data: this
// follower is of the past and must stop.
var ErrFenced = errors.New("the view belongs to a newer epoch of the data")

// errProof is returned for a reply that does not name the call it answers. What
// the server did is unknown, as after a timeout.
var errProof = errors.New("the reply belongs to another command")

// Config says where the view is and what it holds. New copies it.
type Config struct {
	// Addr is host:port of a single server. Exactly one of Addr, Sentinels and
	// Cluster is set.
	Addr string
	// Sentinels are host:port of the sentinels that watch Master, which is the
	// name they know it by.
	Sentinels []string
	Master    string
	// Cluster is host:port of some nodes of a Redis Cluster; they name the rest.
	Cluster []string
	// Credentials is asked at each new connection, so that a rotated password
	// needs no restart; nil = none. Sentinels are asked without.
	Credentials func(ctx context.Context) (user, password string, err error)
	// TLS is asked at each new connection; nil for plain ones. Sentinels are
	// dialled the same way.
	TLS func() *tls.Config
	// Dialer replaces the network, for tests; nil = TCP.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// KeyPrefix begins every key, before a colon. Default: kl.
	KeyPrefix string
	// MappingVersion is the 8 hex digits that stand for the mapping.
	MappingVersion string
	// Partitions is the number of partitions, for outside readers.
	Partitions int32
	// ViewBars is how many bars of a series are kept. Default: 1000.
	ViewBars int
	// Epoch is the dataset epoch, 0 or more.
	Epoch int64
	// LogStart tells the first offset of a partition of klines, from which an
	// empty view is built; nil = 0.
	LogStart func(ctx context.Context, p int32) (int64, error)
}

// Redis is the sink. Calls for one partition come one after the other, those for
// several may run at once.
type Redis struct {
	cfg Config

	mu      sync.Mutex // protects the rest
	client  goredis.UniversalClient
	closed  bool
	parts   map[int32]*part
	failure error
	silent  int // looks until announcements are tried again
}

// New makes the sink. It does not connect: an unreachable server shows in the
// first Apply and keeps nobody from starting.
func New(cfg Config) *Redis {
	if cfg.KeyPrefix == "" {
		cfg.KeyPrefix = DefaultPrefix
	}
	if cfg.ViewBars <= 0 {
		cfg.ViewBars = DefaultViewBars
	}
	return &Redis{cfg: cfg, parts: map[int32]*part{}, client: NewClient(&cfg)}
}

// Name is "redis".
func (*Redis) Name() string { return "redis" }

// Close gives the connections back.
func (r *Redis) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("closing the Redis client: %w", err)
	}
	return nil
}

// Healthy returns the error of the newest call, nil if it worked.
func (r *Redis) Healthy() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// part returns what the sink knows of a partition.
func (r *Redis) part(p int32) *part {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.parts[p]
	if x == nil {
		x = &part{series: map[string]*series{}, told: told{symbols: map[string]bool{}}}
		r.parts[p] = x
	}
	return x
}

func (r *Redis) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = err
}

var _ view.Sink = (*Redis)(nil)
