package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// Cluster says how to reach the brokers. The zero values of all fields but
// Brokers work.
type Cluster struct {
	// Brokers are the seed addresses, host:port. At least one.
	Brokers []string
	// Dial replaces the network's dialer; the embedded broker gives its own.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS, if not nil, encrypts every connection. It is called for each new one,
	// so that renewed certificates need no restart. Ignored with Dial.
	TLS func() *tls.Config
	// Mechanism is "plain", "scram_sha_256" or "scram_sha_512"; empty: none.
	Mechanism string
	// Credentials returns user and password. It is called for every new
	// connection, so that a rotated password needs no restart.
	Credentials func() (user, password string)
	// RetryEOF has a request asked again, of another broker where there is one,
	// when a connection ends before its first answer: so ends every one to a
	// broker that is down behind a proxy. Ensure never does: it may be that TLS is
	// missing, and that should be said at once.
	RetryEOF bool
	// ClientID names us in the broker's log. Default: caddy-kline.
	ClientID string
	// Log receives what the client library says. Default: nothing.
	Log Logger
	// Observer counts. Default: nothing.
	Observer Observer
	// Clock measures and paces. Default: the machine's.
	Clock clock.Clock
}

// Logger is the part of *slog.Logger that this package uses.
type Logger interface {
	Info(msg string, keyvals ...any)
	Warn(msg string, keyvals ...any)
	Error(msg string, keyvals ...any)
}

func (c Cluster) withDefaults() Cluster {
	if c.ClientID == "" {
		c.ClientID = "caddy-kline"
	}
	if c.Log == nil {
		c.Log = nopLogger{}
	}
	if c.Observer == nil {
		c.Observer = NopObserver{}
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	return c
}

// options are those of every client that we build.
func (c Cluster) options() ([]kgo.Opt, error) {
	if len(c.Brokers) == 0 {
		return nil, errors.New("reaching the brokers: no address is configured (word brokers)")
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.WithLogger(logBridge{c.Log}),
		// A decompression bomb ends here: see oversized.
		kgo.MaxDecompressBatchBytes(maxUnpacked),
		// The age of metadata paces every retry that needs a new leader, and the
		// notice that a topic was created again (five of them): 5 s is the
		// default, 1 s keeps both in the seconds.
		kgo.MetadataMinAge(time.Second),
		// We export our own metrics; pushing the library's to the broker would
		// add a request to every close.
		kgo.DisableClientMetrics(),
	}
	opts = append(opts, kgo.Dialer(c.paced(c.dialer())))
	if c.RetryEOF {
		opts = append(opts, kgo.AlwaysRetryEOF())
	}
	if c.Mechanism != "" {
		m, err := c.mechanism()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

// dialFunc opens a connection.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialTimeout bounds one attempt to connect.
const dialTimeout = 10 * time.Second

func (c Cluster) dialer() dialFunc {
	plain := &net.Dialer{Timeout: dialTimeout}
	switch {
	case c.Dial != nil:
		return c.Dial
	case c.TLS != nil:
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&tls.Dialer{NetDialer: plain, Config: c.TLS()}).DialContext(ctx, network, address)
		}
	}
	return plain.DialContext
}

// dialPause is what a failed attempt to connect takes at least.
const dialPause = 100 * time.Millisecond

// paced holds a failed attempt back. A refused connection fails at once, and the
// client library repeats some requests without a pause of its own: adding
// partitions to a transaction whose coordinator is down would take a whole core
// and write thousands of lines a second into the log.
func (c Cluster) paced(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		t := c.Clock.NewTimer(dialPause)
		defer t.Stop()
		select {
		case <-t.C():
		case <-ctx.Done():
		}
		return nil, err
	}
}

func (c Cluster) mechanism() (sasl.Mechanism, error) {
	if c.Credentials == nil {
		return nil, fmt.Errorf("authenticating with %s: no user and password are configured", c.Mechanism)
	}
	switch c.Mechanism {
	case "plain":
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			user, password := c.Credentials()
			return plain.Auth{User: user, Pass: password}, nil
		}), nil
	case "scram_sha_256":
		return scram.Sha256(c.scram), nil
	case "scram_sha_512":
		return scram.Sha512(c.scram), nil
	}
	return nil, fmt.Errorf("unknown sasl mechanism %q (allowed: plain, scram_sha_256, scram_sha_512)", cut(c.Mechanism))
}

func (c Cluster) scram(context.Context) (scram.Auth, error) {
	user, password := c.Credentials()
	return scram.Auth{User: user, Pass: password}, nil
}

// dialClient builds a client with the common options and those given.
func (c Cluster) dialClient(more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("building a kafka client: %w", err)
	}
	return cl, nil
}

// cut bounds foreign text that is quoted in an error.
func cut(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}

type nopLogger struct{}

func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}

// logBridge hands the client library's warnings and errors on. Its info lines
// describe every metadata refresh; nobody would read the rest.
type logBridge struct{ log Logger }

func (logBridge) Level() kgo.LogLevel { return kgo.LogLevelWarn }

func (b logBridge) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if level == kgo.LogLevelError {
		b.log.Error("kafka: "+msg, keyvals...)
		return
	}
	b.log.Warn("kafka: "+msg, keyvals...)
}

var _ kgo.Logger = logBridge{}
