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
)

const (
	defaultTimeout = 500 * time.Millisecond
	// slotsPeriod is how old the client's picture of a cluster may become. A
	// master that dies answers nothing, so nothing would tell it to look again.
	slotsPeriod = 2 * time.Second
	// keepAlive is that of the client's own dialer.
	keepAlive = 5 * time.Minute
)

// NewClient makes the client of the one mode that is configured, for this package
// and for what else the pipeline keeps in the same Redis. What is common
// to all three is said once, here: a retry by the client would run a script
// twice after a lost reply, its dialer retries by a counter of its own, and a
// CLIENT SETINFO that timed out once shifted all later replies by one
// (CVE-2025-29923).
func NewClient(cfg *Config) goredis.UniversalClient {
	goredis.SetLogger(quiet{})
	switch {
	case len(cfg.Sentinels) > 0:
		return goredis.NewFailoverClient(&goredis.FailoverOptions{
			MasterName: cfg.Master, SentinelAddrs: cfg.Sentinels,
			Dialer: cfg.dialer(), CredentialsProviderContext: cfg.Credentials,
			MaxRetries: -1, DialerRetries: 1,
			DialTimeout: defaultTimeout, ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout,
			ContextTimeoutEnabled: true, DisableIdentity: true, Protocol: 2,
		})
	case len(cfg.Cluster) > 0:
		return goredis.NewClusterClient(&goredis.ClusterOptions{
			Addrs:  cfg.Cluster,
			Dialer: cfg.dialer(), CredentialsProviderContext: cfg.Credentials,
			// The client counts its retries after network errors together with
			// the redirects it follows: -1 is the only way to have none. A MOVED
			// then comes back as an error and makes it look for the slot's place.
			MaxRedirects: -1, MaxRetries: -1, DialerRetries: 1,
			DialTimeout: defaultTimeout, ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout,
			ContextTimeoutEnabled: true, DisableIdentity: true, Protocol: 2,
			ClusterStateReloadInterval: slotsPeriod,
			MaintNotificationsConfig:   &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
	}
	return goredis.NewClient(&goredis.Options{
		Addr:   cfg.Addr,
		Dialer: cfg.dialer(), CredentialsProviderContext: cfg.Credentials,
		MaxRetries: -1, DialerRetries: 1,
		DialTimeout: defaultTimeout, ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout,
		ContextTimeoutEnabled: true, DisableIdentity: true, Protocol: 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// dialer is nil where the client's own will do. The client would keep one TLS
// configuration for its whole life, also when the certificates are renewed.
func (c *Config) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.Dialer != nil || c.TLS == nil {
		return c.Dialer
	}
	plain := &net.Dialer{Timeout: defaultTimeout, KeepAlive: keepAlive}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&tls.Dialer{NetDialer: plain, Config: c.TLS()}).DialContext(ctx, network, addr)
	}
}

// quiet keeps the client library from writing to stderr on its own: whatever
// matters comes back as an error of a call.
type quiet struct{}

// Printf drops the line.
func (quiet) Printf(context.Context, string, ...any) {}

// conn returns the client of the moment.
func (r *Redis) conn() goredis.UniversalClient {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client
}

// distrust reacts to an error of a call made with c. After a reply that belonged
// to another command every later reply on that connection would be off by one as
// well, so all connections are closed and new ones made. A cluster client that
// got no answer looks again for who holds the slot now.
func (r *Redis) distrust(ctx context.Context, c goredis.UniversalClient, err error) {
	if errors.Is(err, errProof) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.client == c && !r.closed {
			_ = c.Close() // the error of a broken connection is no news
			r.client = NewClient(&r.cfg)
		}
		return
	}
	if cluster, ok := c.(*goredis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

// Advice looks at the settings of the server, of every master of a cluster, and
// returns a sentence for the operator if one of them endangers the view, else "".
func (r *Redis) Advice(ctx context.Context) (string, error) {
	var mu sync.Mutex // protects advice
	advice := ""
	ask := func(ctx context.Context, c goredis.Cmdable) error {
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			return fmt.Errorf("asking Redis for its memory policy: %w", err)
		}
		_, policy, found := strings.Cut(info, "maxmemory_policy:")
		policy, _, _ = strings.Cut(policy, "\r\n")
		if found && policy != "noeviction" {
			mu.Lock()
			defer mu.Unlock()
			advice = "the Redis server may evict keys (maxmemory-policy " + policy + "): each time it does, a partition of the view is built again from klines; set noeviction"
		}
		return nil
	}
	var err error
	switch c := r.conn().(type) {
	case *goredis.ClusterClient:
		err = c.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error { return ask(ctx, c) })
	default:
		err = ask(ctx, c)
	}
	return advice, err
}
