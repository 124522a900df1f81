// Package redis keeps the newest klines and values in one Redis server, for any
// client that can read a hash.
//
// The central type is Redis, a view.Sink. Each call of its script moves one
// partition from one position to the next and refuses to run twice or out of
// turn, so replies that get lost, servers that restart with older data and two
// followers at once all end in the same view: what the topic says.
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
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/caddy-kline/caddy-kline/pipeline/view"
)

// Defaults of Config.
const (
	DefaultPrefix   = "kl"
	DefaultViewBars = 1000
	defaultTimeout  = 500 * time.Millisecond
)

// ErrFenced means that the view belongs to a newer epoch of the data: this
// follower is of the past and must stop.
var ErrFenced = errors.New("the view belongs to a newer epoch of the data")

// errProof is returned for a reply that does not name the call it answers. What
// the server did is unknown, as after a timeout.
var errProof = errors.New("the reply belongs to another command")

// Config says where the view is and what it holds. New copies it.
type Config struct {
	// Addr is host:port.
	Addr string
	// Credentials is asked at each new connection, so that a rotated password
	// needs no restart; nil = none.
	Credentials func(ctx context.Context) (user, password string, err error)
	// TLS is nil for plain connections.
	TLS *tls.Config
	// Dialer replaces the network, for tests; nil = TCP.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// KeyPrefix begins every key, before a colon. Default: kl.
	KeyPrefix string
	// MappingVersion is the 8 hex digits that stand for the mapping.
	MappingVersion string
	// Intervals are the bar lengths; with them a view of an older epoch is
	// emptied completely, also by a process that has not seen its symbols.
	Intervals []string
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

// Redis is the sink. Calls for one partition come from one goroutine, calls
// for several may run at once.
type Redis struct {
	cfg    Config
	client *goredis.Client

	mu      sync.Mutex // protects parts, failure
	parts   map[int32]*part
	failure error
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
	return &Redis{cfg: cfg, parts: map[int32]*part{}, client: goredis.NewClient(&goredis.Options{
		Addr: cfg.Addr, TLSConfig: cfg.TLS, Dialer: cfg.Dialer, CredentialsProviderContext: cfg.Credentials,
		// A retry by the client would run a script twice after a lost reply, and
		// its dialer retries by a counter of its own.
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: defaultTimeout, ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout,
		ContextTimeoutEnabled: true,
		// A CLIENT SETINFO that timed out once shifted all later replies by one
		// (CVE-2025-29923).
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Protocol:                 2,
	})}
}

// Name is "redis".
func (*Redis) Name() string { return "redis" }

// Close gives the connections back.
func (r *Redis) Close() error {
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

// Advice looks at the server's settings and returns a sentence for the operator
// if one of them endangers the view, else "".
func (r *Redis) Advice(ctx context.Context) (string, error) {
	info, err := r.client.Info(ctx, "memory").Result()
	if err != nil {
		return "", fmt.Errorf("asking Redis for its memory policy: %w", err)
	}
	_, policy, found := strings.Cut(info, "maxmemory_policy:")
	policy, _, _ = strings.Cut(policy, "\r\n")
	if !found || policy == "noeviction" {
		return "", nil
	}
	return "the Redis server evicts keys (maxmemory-policy " + policy + "): the view is then built again and again; set noeviction", nil
}

// part returns what the sink knows of a partition.
func (r *Redis) part(p int32) *part {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.parts[p]
	if x == nil {
		x = &part{series: map[string]*series{}, symbols: map[string]bool{}}
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
