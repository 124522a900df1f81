//go:build unix

package server

import (
	"context"
	"strconv"
	"time"
)

// StartReplica starts a replica of the master and waits until it has all of its data. Start the master with
// "--repl-diskless-sync-delay 0" (see [ReplicatedRedis]), or the first copy begins after five seconds.
func (r *Redis) StartReplica() *Redis {
	r.t.Helper()
	config := ReplicatedRedis()
	config.Args = append(config.Args, "--replicaof", "127.0.0.1", strconv.Itoa(r.port))
	return startRedis(r.t, "redis replica", config.args, func(ctx context.Context, r *Redis) error {
		return r.info(ctx, "replication", "master_link_status:up")
	})
}

// ReplicatedRedis is the configuration of a master that has replicas, and theirs.
func ReplicatedRedis() RedisConfig {
	return RedisConfig{Args: []string{"--repl-diskless-sync-delay", "0"}}
}

// CutLink ends the replication from master to r and keeps it from coming back, while both go on serving their clients: r logs in
// with a name that nobody has. A stopped process would not do: what the kernel has buffered for it arrives later.
func (r *Redis) CutLink(master *Redis) {
	r.t.Helper()
	r.Must("CONFIG", "SET", "masteruser", "nobody", "masterauth", "nothing")
	master.Must("CLIENT", "KILL", "TYPE", "replica")
	err := r.poll(20*time.Millisecond, patience, func(ctx context.Context) error {
		return r.info(ctx, "replication", "master_link_status:down")
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// ReplicaOf makes r a replica of master, or a master of its own where that is nil.
func (r *Redis) ReplicaOf(master *Redis) {
	r.t.Helper()
	if master == nil {
		r.Must("REPLICAOF", "NO", "ONE")
		return
	}
	r.Must("REPLICAOF", "127.0.0.1", strconv.Itoa(master.port))
	err := r.poll(20*time.Millisecond, patience, func(ctx context.Context) error {
		return r.info(ctx, "replication", "master_link_status:up")
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
