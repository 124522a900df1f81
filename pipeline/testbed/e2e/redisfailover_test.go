package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// The master dies with writes that its replica never saw: the position of the
// view goes back, and the follower with it.
func TestServersRedisFailoverToALaggingReplica_D04(t *testing.T) {
	t.Parallel()
	master := server.StartRedis(t, server.ReplicatedRedis())
	replica := master.StartReplica()
	sentinels := server.StartSentinels(t, master, 1)
	b := redisBed(t, 1, "sentinel "+server.SentinelMaster+" "+strings.Join(sentinels.Addrs(), " "))
	lines := redisTrades(t, 13)
	b.pour(lines, 9, func(i int) {
		switch i {
		case 3:
			b.caughtUp(master)
			if got := master.Must("WAIT", "1", "50000"); got != "1" { // ms
				t.Fatalf("%s replicas have what the master has", got)
			}
			replica.CutLink(master)
		case 6:
			b.caughtUp(master)
			acked, kept := b.viewPosition(master, 0), b.viewPosition(replica, 0)
			if kept <= 0 || kept >= acked {
				t.Errorf("the replica is at %d, the master at %d: nothing would be lost", kept, acked)
			}
			master.Kill9()
			began := time.Now()
			// They try again every ten seconds, and find no replica fit whose answer is
			// five seconds old, as it is on a machine with too much to do.
			t.Logf("the sentinels name the replica after %v, which is at %d instead of %d", sentinels.WaitMaster(replica, 5*patience).Round(time.Millisecond), kept, acked)
			b.viewBecomes(patience, "kl", redisBars, replica)
			t.Logf("the view is whole on the replica %v after the kill", time.Since(began).Round(time.Millisecond))
		case 7:
			master.Restart() // the sentinels make a replica of it
		}
	})
	b.ending(lines, "kl", redisBars, replica)
	if got := replica.Must("INFO", "replication"); !strings.Contains(got, "role:master") {
		t.Errorf("the replica is no master any more: %s", got)
	}
}

// The same in a cluster: its nodes agree on the replica, and the client has to
// find out.
func TestServersRedisClusterFailsOver_D04(t *testing.T) {
	t.Parallel()
	cluster := server.StartRedisCluster(t, 3, server.RedisConfig{Args: []string{"--cluster-replica-validity-factor", "0"}})
	b := redisBed(t, 1, "cluster "+cluster.Nodes[2].Addr())
	victim := cluster.Holder("{" + b.mapping() + ".0}")
	replica := cluster.StartReplica(t, victim)
	now := append([]*server.Redis{replica}, cluster.Nodes[:victim]...)
	now = append(now, cluster.Nodes[victim+1:]...)
	lines := redisTrades(t, 15)
	b.pour(lines, 6, func(i int) {
		switch i {
		case 2:
			b.caughtUp(cluster.Nodes...)
			replica.CutLink(cluster.Nodes[victim])
		case 4:
			b.caughtUp(cluster.Nodes...)
			cluster.Nodes[victim].Kill9()
			began := time.Now()
			b.viewBecomes(patience, "kl", redisBars, now...)
			t.Logf("the view is whole on the replica %v after the kill", time.Since(began).Round(time.Millisecond))
		}
	})
	b.ending(lines, "kl", redisBars, now...)
}
