//go:build unix

package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// SentinelMaster is the name by which the sentinels of the bed know their master.
const SentinelMaster = "kl"

// Sentinels are three sentinels that watch one master.
type Sentinels struct {
	t     testing.TB
	nodes []*Redis
}

// StartSentinels starts three sentinels for a master that has the given number of replicas already. They are ready when all three
// would agree on a fail-over and know each other and the replicas: a master killed before that is never failed over.
func StartSentinels(t testing.TB, master *Redis, replicas int) *Sentinels {
	t.Helper()
	s := &Sentinels{t: t}
	for range 3 {
		s.nodes = append(s.nodes, startRedis(t, "redis sentinel", sentinelArgs(t, master), ping))
	}
	for _, node := range s.nodes {
		err := node.poll(50*time.Millisecond, patience, func(ctx context.Context) error {
			if _, err := node.Do(ctx, "SENTINEL", "CKQUORUM", SentinelMaster); err != nil {
				return err
			}
			return node.info(ctx, "sentinel", fmt.Sprintf("slaves=%d,sentinels=3", replicas))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// sentinelArgs writes the file that a sentinel reads at its start and rewrites while it runs, in its own folder.
func sentinelArgs(t testing.TB, master *Redis) func(*Redis) []string {
	return func(r *Redis) []string {
		file := filepath.Join(r.dir, "sentinel.conf")
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %[3]s 127.0.0.1 %d 2\nsentinel down-after-milliseconds %[3]s 1000\n"+
			"sentinel failover-timeout %[3]s 5000\nsentinel parallel-syncs %[3]s 1\n", r.port, r.dir, SentinelMaster, master.port)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatalf("writing the configuration of a sentinel: %v", err)
		}
		return []string{file, "--sentinel"}
	}
}

// Addrs lists host:port of each sentinel.
func (s *Sentinels) Addrs() []string {
	var addrs []string
	for _, node := range s.nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}

// WaitMaster waits until all sentinels name r as the master, and returns how long that took.
func (s *Sentinels) WaitMaster(r *Redis, limit time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for _, node := range s.nodes {
		err := node.poll(20*time.Millisecond, limit, func(ctx context.Context) error {
			answer, err := node.Do(ctx, "INFO", "sentinel")
			if err == nil && !strings.Contains(answer, "address="+r.Addr()) {
				err = fmt.Errorf("asking a sentinel: the master is not %s: %s", r.Addr(), answer)
			}
			return err
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return time.Since(began)
}
