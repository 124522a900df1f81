package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// partitions of the input topic of the real Kafka.
const partitions = 8

// bench is one run: its options, its folder, its broker, its figures.
type bench struct {
	options
	self    string // this program
	dir     string
	bed     *server.Host
	kafka   *server.Kafka // nil until a part needs it
	topics  map[string]int
	next    int // number of the next group and prefix
	figures []figure
	work    sync.WaitGroup // profiles that are being taken
}

func newBench(o options) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	dir, err := os.MkdirTemp("", "kline-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of profiles: %w", err)
		}
	}
	bed := server.NewHost(dir, say)
	bed.Logs = true
	return &bench{options: o, self: self, dir: dir, bed: bed, topics: map[string]int{}}, nil
}

// close ends what the run has started.
func (b *bench) close() {
	b.bed.End()
	_ = os.RemoveAll(b.dir)
}

// broker starts Kafka once.
func (b *bench) broker() (addr string, err error) {
	if b.kafka == nil {
		say("starting Apache Kafka")
		err = b.bed.Do(func() { b.kafka = server.StartKafka(b.bed, server.KafkaConfig{Fast: true}) })
	}
	if err != nil {
		return "", fmt.Errorf("starting kafka: %w", err)
	}
	return b.kafka.Addr(), nil
}

// create makes a topic and waits until the broker itself knows it: the controller answers before that.
func (b *bench) create(topic string, partitions int32) error {
	addr, err := b.broker()
	if err != nil {
		return err
	}
	if err := b.bed.Do(func() { b.kafka.CreateTopic(topic, partitions) }); err != nil {
		return err
	}
	for range 250 {
		_, _, err = kafka.Bounds(context.Background(), kafka.Cluster{Brokers: []string{addr}}, topic, partitions-1)
		if err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("creating topic %s: the broker does not show it: %w", topic, err)
}

// space is a new group with topics of its own.
type space struct {
	addr, topic, group, prefix string
	dir                        string
}

// space makes the output topics of a contender before its clock runs.
func (b *bench) space(topic string) (space, error) {
	b.next++
	s := space{addr: b.kafka.Addr(), topic: topic, group: fmt.Sprint("bench-", b.next), prefix: fmt.Sprintf("b%d.", b.next)}
	s.dir = filepath.Join(b.dir, s.group)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s, fmt.Errorf("making the folder of a contender: %w", err)
	}
	_, err := s.ensure(context.Background())
	return s, err
}

func (s space) cluster() kafka.Cluster { return kafka.Cluster{Brokers: []string{s.addr}} }
func (s space) names() kafka.Topics    { return kafka.Topics{Input: s.topic, Prefix: s.prefix} }

func (s space) ensure(ctx context.Context) (kafka.Layout, error) {
	return kafka.Ensure(ctx, s.cluster(), s.names(), kafka.EnsureOptions{Create: true})
}

var errNoYardstick = errors.New("no binary with the plain handler: build ./cmd/caddy of the benchmark and name it with -yardstick (scripts/bench.sh does)")
