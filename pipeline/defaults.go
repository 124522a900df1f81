package pipeline

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/embedded"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

const (
	defaultGroup  = "caddy-kline"
	defaultTopic  = "ticks"
	defaultListen = "127.0.0.1:9092"
	// defaultRetention is what the embedded broker keeps of all topics, bytes:
	// more costs memory and start time, since it reads its whole log.
	defaultRetention = 512 << 20
)

// DefaultIntervals are the bar lengths of a configuration that names none.
func DefaultIntervals() []string { return []string{"1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"} }

// fill sets the defaults and refuses what cannot work.
func (c *Config) fill() error {
	if (c.Embedded == nil) == (c.Kafka == nil) {
		return errors.New("building the engine: exactly one source is needed: embedded or kafka")
	}
	if c.Mapping != nil {
		if err := c.Mapping.Validate(); err != nil {
			return err
		}
	}
	if len(c.Intervals) == 0 {
		for _, name := range DefaultIntervals() {
			itv, err := core.ParseInterval(name)
			if err != nil {
				return err
			}
			c.Intervals = append(c.Intervals, itv)
		}
	}
	defaultTo(&c.WatermarkDelay, 500*time.Millisecond)
	defaultTo(&c.IdleTimeout, 2*time.Second)
	defaultTo(&c.IdleDelay, time.Second)
	defaultTo(&c.MaxFuture, 5*time.Second)
	defaultTo(&c.AllowedLateness, time.Minute)
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Observer == nil {
		c.Observer = nopObserver{}
	}
	if c.Log == nil {
		c.Log = nopLog{}
	}
	return c.fillSource()
}

func defaultTo(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

func (c *Config) fillSource() error {
	if k := c.Kafka; k != nil {
		copied := *k
		c.Kafka = &copied
		if len(k.Brokers) == 0 {
			return errors.New("building the engine: the source kafka needs the word brokers")
		}
		if k.Topic == "" {
			c.Kafka.Topic = defaultTopic
		}
		if k.Group == "" {
			c.Kafka.Group = defaultGroup
		}
	}
	if m := c.Embedded; m != nil {
		copied := *m
		c.Embedded = &copied
		if m.Listen == "" {
			c.Embedded.Listen = defaultListen
		}
		if m.Partitions == 0 {
			c.Embedded.Partitions = 1
		}
		if m.Retention == 0 {
			c.Embedded.Retention = defaultRetention
		}
		if m.Dir == "" {
			c.Embedded.Dir = filepath.Join(c.DataDir, "broker")
		}
	}
	return nil
}

func (c *Config) topics() kafka.Topics {
	if c.Kafka != nil {
		return kafka.Topics{Input: c.Kafka.Topic, Prefix: c.Kafka.OutputPrefix, Nodes: c.transactional()}
	}
	return kafka.Topics{Input: defaultTopic}
}

// transactional tells whether every unit is written in a transaction.
func (c *Config) transactional() bool { return c.Kafka != nil && !c.Kafka.Idempotent }

// delivery is the word for it.
func (c *Config) delivery() string {
	if c.transactional() {
		return "transactional"
	}
	return "idempotent"
}

func (c *Config) ensureOptions() kafka.EnsureOptions {
	if c.Kafka != nil {
		return kafka.EnsureOptions{Create: c.Kafka.CreateTopics, Transactions: c.transactional()}
	}
	return kafka.EnsureOptions{Create: true, Embedded: true, Partitions: c.Embedded.Partitions, Retention: c.Embedded.perPartition()}
}

// perPartition is each partition's share of the retention, which is that of all
// topics together.
func (m *EmbeddedSource) perPartition() int64 {
	return m.Retention / int64(m.Partitions)
}

// broker describes the embedded broker with all topics in place.
func (c *Config) broker(t kafka.Topics) embedded.Config {
	m := c.Embedded
	cfg := embedded.Config{
		DataDir: m.Dir, Listen: m.Listen, Partitions: m.Partitions, Sync: m.Sync, Log: c.Log, Clock: c.Clock,
	}
	for _, s := range kafka.EmbeddedTopics(t, m.perPartition()) {
		cfg.Topics = append(cfg.Topics, embedded.Topic{Name: s.Name, Configs: s.Configs})
	}
	return cfg
}

func (k *KafkaSource) cluster(c clock.Clock, log Logger) (kafka.Cluster, error) {
	cl := kafka.Cluster{Brokers: k.Brokers, Dial: k.Dial, TLS: k.TLS, RetryEOF: true, Clock: c, Log: log}
	if k.SASL != nil {
		cl.Mechanism = k.SASL.Mechanism
		cl.Credentials = k.SASL.Credentials
	}
	return cl, nil
}

// coreConfig is what the step of partition p is built from.
func (e *Engine) coreConfig(p int32) core.Config {
	c := core.Config{
		Partition: p, Partitions: max(p+1, 1), Intervals: e.cfg.Intervals, Symbols: e.cfg.Symbols,
		WatermarkDelay: e.cfg.WatermarkDelay.Milliseconds(), AllowedLateness: e.cfg.AllowedLateness.Milliseconds(),
		IdleDelay: e.cfg.IdleDelay.Milliseconds(), MaxFuture: e.cfg.MaxFuture.Milliseconds(), MaxAge: e.cfg.MaxAge.Milliseconds(),
		MaxSymbols: e.cfg.MaxSymbols,
	}
	if e.cfg.Kafka != nil {
		c.StrictPartitioner = e.cfg.Kafka.StrictPartitioner
	}
	if e.layout != nil {
		c.Partitions = e.layout.N
	}
	return c
}

func (e *Engine) hubConfig() serve.HubConfig {
	c := serve.HubConfig{
		ViewBars: e.cfg.ViewBars, ViewMemory: e.cfg.ViewMemory, RingBytes: e.cfg.RingBytes,
		AllowedLateness: e.cfg.AllowedLateness.Milliseconds(), Clock: e.cfg.Clock,
	}
	for _, itv := range e.cfg.Intervals {
		c.Intervals = append(c.Intervals, itv.Name())
	}
	if e.cfg.Indicators != nil {
		c.Instances = e.cfg.Indicators.Instances()
	}
	return c
}

// nodeFile holds the random node name: a fresh one after each restart would
// leave the dead member in the group until its session ends.
const nodeFile = "node"

// NodeName returns the name kept in dir, making one if there is none.
func NodeName(dir string) (string, error) {
	path := filepath.Join(dir, nodeFile)
	b, err := os.ReadFile(path)
	if err == nil {
		if name := strings.TrimSpace(string(b)); name != "" && len(name) <= 64 {
			return name, nil
		}
	} else if !os.IsNotExist(err) {
		return "", fmt.Errorf("reading the node name: %w", err)
	}
	var raw [6]byte
	_, _ = rand.Read(raw[:]) // never fails
	name := "node-" + hex.EncodeToString(raw[:])
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the data folder for the node name: %w", err)
	}
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the node name: %w", err)
	}
	return name, nil
}

type nopLog struct{}

func (nopLog) Debug(string, ...any) {}
func (nopLog) Info(string, ...any)  {}
func (nopLog) Warn(string, ...any)  {}
func (nopLog) Error(string, ...any) {}
