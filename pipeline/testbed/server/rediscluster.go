//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16384

// busPort is above the ports of the nodes: each also listens 10,000 above its own, which must stay below the ephemeral range, or a
// connection may have that port when a killed node comes back.
const busPort = 22_768

// RedisCluster is a Redis Cluster.
type RedisCluster struct {
	// Nodes are the masters, which share the slots in equal ranges, in this order.
	Nodes    []*Redis
	config   RedisConfig
	replicas int
}

// StartRedisCluster starts n masters, gives each its share of the slots and waits until all agree that the cluster is whole. One
// master is the cheap variant: CROSSSLOT is real there, MOVED is not.
func StartRedisCluster(t testing.TB, n int, config RedisConfig) *RedisCluster {
	t.Helper()
	config.Args = append([]string{"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000"}, config.Args...)
	c := &RedisCluster{config: config}
	for i := range n {
		node := startRedisBelow(t, busPort, "redis cluster node", config.args, ping)
		c.Nodes = append(c.Nodes, node)
		node.Must("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1))
		node.Must("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i > 0 {
			node.Must("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(c.Nodes[0].port))
		}
	}
	c.WaitWhole(t, patience)
	return c
}

// WaitWhole waits until every node says that all slots are served.
func (c *RedisCluster) WaitWhole(t testing.TB, limit time.Duration) {
	t.Helper()
	for _, node := range c.Nodes {
		if err := node.poll(20*time.Millisecond, limit, func(ctx context.Context) error { return c.whole(ctx, node) }); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *RedisCluster) whole(ctx context.Context, node *Redis) error {
	answer, err := node.Do(ctx, "CLUSTER", "INFO")
	if err != nil {
		return err
	}
	var missing []error
	for _, line := range []string{"cluster_state:ok", fmt.Sprintf("cluster_slots_ok:%d", slots), fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes)+c.replicas)} {
		if !strings.Contains(answer, line+"\r\n") {
			missing = append(missing, fmt.Errorf("asking a node: CLUSTER INFO has no %q", line))
		}
	}
	return errors.Join(missing...)
}

// StartReplica gives master i a replica, which is promoted when the master dies, and waits until it has all of its data.
func (c *RedisCluster) StartReplica(t testing.TB, i int) *Redis {
	t.Helper()
	master := c.Nodes[i]
	config := c.config
	config.Args = append(config.Args[:len(config.Args):len(config.Args)], "--repl-diskless-sync-delay", "0")
	replica := startRedisBelow(t, busPort, "redis cluster replica", config.args, ping)
	c.replicas++
	replica.Must("CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(master.port))
	id := master.Must("CLUSTER", "MYID")
	err := replica.poll(50*time.Millisecond, patience, func(ctx context.Context) error {
		_, err := replica.Do(ctx, "CLUSTER", "REPLICATE", id) // refused until the two have met
		return err
	})
	if err == nil {
		err = replica.poll(50*time.Millisecond, patience, func(ctx context.Context) error {
			return replica.info(ctx, "replication", "master_link_status:up")
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	c.WaitWhole(t, patience)
	return replica
}

// Addrs lists host:port of each master.
func (c *RedisCluster) Addrs() []string {
	var addrs []string
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}

// Holder is the index of the node that serves the slot of key.
func (c *RedisCluster) Holder(key string) int {
	slot, err := strconv.Atoi(c.Nodes[0].Must("CLUSTER", "KEYSLOT", key))
	if err != nil {
		c.Nodes[0].t.Fatal(err)
	}
	n := len(c.Nodes)
	for i := range n {
		if slot < (i+1)*slots/n {
			return i
		}
	}
	return n - 1
}
