// Package embedded runs a Kafka broker inside the process, on disk, for trying
// out and for small single-node installations. Any Kafka client can use it:
// kcat, librdkafka, our own.
//
// The central type is the Broker. Start takes the data folder for this process
// alone, reads the log, creates the topics that are missing and only then
// accepts connections; Close writes everything down and gives the folder back.
// A kill -9 loses nothing that was acknowledged; a power loss may cost the tail
// unless Sync is set. After a kill a retried batch may appear twice and out of
// order.
//
// It has no authentication, no transactions worth the name (they do not survive
// a kill), no compaction (it would not either) and creates no topic on the fly.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// Config describes a broker.
type Config struct {
	// DataDir holds the log, the lock and the identity. Created if missing.
	DataDir string
	// Listen is host:port. Default: 127.0.0.1:9092. There is no authentication:
	// whoever reaches it may write.
	Listen string
	// Advertise is the host that clients are told to dial. Default: the host of
	// Listen; the machine's name where that is empty or unspecified.
	Advertise string
	// Partitions of every topic, fixed at creation. Default: 1.
	Partitions int32
	// Topics must exist before anybody connects. Those that exist get these
	// configs.
	Topics []Topic
	// Sync makes an acknowledgement mean "on the disk". Producers should linger
	// 10 ms or more: every batch costs an fsync.
	Sync bool
	// RetentionEvery is how often old segments are removed. Default: 1 minute.
	RetentionEvery time.Duration
	// Log receives warnings. Default: nothing.
	Log Logger
	// Clock paces the retention. Default: the machine's.
	Clock clock.Clock
}

// Topic is a topic to create, with Kafka's config names.
type Topic struct {
	Name    string
	Configs map[string]string
}

// Logger is the part of *slog.Logger that this package uses.
type Logger interface {
	Info(msg string, keyvals ...any)
	Warn(msg string, keyvals ...any)
	Error(msg string, keyvals ...any)
}

// Broker is a running broker. Its methods may be called from any goroutine.
type Broker struct {
	cfg     Config
	cluster *kfake.Cluster
	gate    *gate
	lock    *flock.Flock
	log     *journalist
	sweeper *safego.Handle
	stop    chan struct{}
	once    sync.Once
}

// Start reads the log and returns a broker that accepts connections. Its errors
// are sentences that say what the operator can do.
func Start(cfg Config) (*Broker, error) {
	cfg = cfg.withDefaults()
	if cfg.DataDir == "" {
		return nil, errors.New("starting the embedded broker: it needs a data folder (word data_dir)")
	}
	b := &Broker{cfg: cfg, log: newJournalist(cfg), stop: make(chan struct{})}
	if err := b.start(); err != nil {
		b.abandon()
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	every := cfg.Clock.NewTicker(cfg.RetentionEvery)
	b.sweeper = safego.Go("retention of the embedded broker", b.log.panicked, func() {
		defer every.Stop()
		b.sweep(every.C())
	})
	b.gate.letIn()
	return b, nil
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:9092"
	}
	if c.Partitions <= 0 {
		c.Partitions = 1
	}
	if c.RetentionEvery <= 0 {
		c.RetentionEvery = time.Minute
	}
	if c.Log == nil {
		c.Log = nopLogger{}
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	return c
}

func (b *Broker) start() error {
	if err := b.claim(); err != nil {
		return err
	}
	id, err := identity(b.cfg.DataDir)
	if err != nil {
		return err
	}
	if err := b.inspect(); err != nil {
		return err
	}
	if b.gate, err = listen(b.cfg); err != nil {
		return err
	}
	if err := b.open(id); err != nil {
		return err
	}
	if err := b.createTopics(); err != nil {
		return err
	}
	return b.alter()
}

// claim locks the data folder: two brokers on one log would destroy it.
func (b *Broker) claim() error {
	dir := b.cfg.DataDir
	if err := os.MkdirAll(b.logDir(), 0o750); err != nil {
		return fmt.Errorf("creating the data folder %q: %w: choose one that this user may write to (word data_dir)", dir, err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	held, err := lock.TryLock()
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data folder %q is not writable: %w: choose one that this user may write to (word data_dir)", dir, err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the disk of the data folder %q is full: %w", dir, err)
	case err != nil:
		return fmt.Errorf("locking the data folder %q: %w", dir, err)
	case !held:
		return fmt.Errorf("the data folder %q is in use by another process: stop that one, or give this one a folder of its own (word data_dir)", dir)
	}
	b.lock = lock
	return nil
}

func (b *Broker) logDir() string { return filepath.Join(b.cfg.DataDir, "log") }

// open reads the log. It takes about a second per 400 MB after a kill, and less
// after a clean stop.
func (b *Broker) open(id string) error {
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.ClusterID(id), kfake.DataDir(b.logDir()),
		// No AllowAutoTopicCreation: topics made that way are not written down
		// and are gone, with all their records, after a kill.
		kfake.DefaultNumPartitions(int(b.cfg.Partitions)),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.gate, nil }),
		kfake.WithLogger(b.log),
		kfake.BrokerConfigs(map[string]string{
			"group.consumer.heartbeat.interval.ms": "1000",
			// The engine commits under its group's name without being a member,
			// and an offset of an empty group expires. Ten years.
			"offsets.retention.minutes": "5256000",
		}),
	}
	if b.cfg.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("reading the log in %q: %w: restore the folder from a copy, or remove it to start with an empty log", b.logDir(), err)
	}
	b.cluster = cluster
	return b.accepted()
}

// createTopics runs before the first stranger is let in: a topic that exists
// only in memory when a producer gets its first acknowledgement is lost with a
// kill.
func (b *Broker) createTopics() error {
	for _, t := range b.cfg.Topics {
		if b.cluster.TopicInfo(t.Name) == nil {
			if err := b.cluster.CreateTopic(t.Name, b.cfg.Partitions, t.Configs); err != nil {
				return fmt.Errorf("creating topic %q: %w", t.Name, err)
			}
			continue
		}
		if err := b.cfg.fits(t.Name, len(b.cluster.PartitionInfos(t.Name))); err != nil {
			return err
		}
	}
	return b.log.health()
}

// sweep removes old segments. kfake's own ticker runs only in the process that
// created or altered a topic.
func (b *Broker) sweep(tick <-chan time.Time) {
	for {
		select {
		case <-tick:
			b.cluster.ApplyRetention()
		case <-b.stop:
			return
		}
	}
}

// Addr is where clients are told to connect, host:port.
func (b *Broker) Addr() string { return b.gate.Addr().String() }

// Dial connects to this broker, whatever address is asked for: the advertised
// one need not be reachable from inside.
func (b *Broker) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", b.gate.local())
}

// Health returns nil, or why the broker refuses records: a full disk, or another
// error of a write. It recovers by itself when there is room again.
func (b *Broker) Health() error { return b.log.health() }

// Close writes everything down and gives the data folder back. It takes well
// below a second. A second call does nothing.
func (b *Broker) Close() {
	b.once.Do(func() {
		close(b.stop)
		b.sweeper.Wait()
		b.abandon()
	})
}

func (b *Broker) abandon() {
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.gate != nil {
		_ = b.gate.Close() // closed by the cluster already, unless that never came up
	}
	if b.lock != nil {
		_ = b.lock.Unlock() // the process's end would do it too
	}
}

type nopLogger struct{}

func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}
