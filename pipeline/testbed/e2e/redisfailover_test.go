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
	master := server.StartRedis(t, server.ReplicatedRedis())
	replica := master.StartReplica()
	sentinels := server.StartSentinels(t, master, 1)
	b := redisBed(t, 1, "sentinel "+server.SentinelMaster+" "+strings.Join(sentinels.Addrs(), " "))
	lines := shuffled(midnight(t), 2000, 13)
	b.pour(lines, 9, func(i int) {
		switch i {
		case 3:
			replica.CutLink(master)
		case 6:
			b.settle(time.Minute)
			b.viewBecomes(10*time.Second, "kl", redisBars, master)
			acked, kept := b.viewPosition(master, 0), b.viewPosition(replica, 0)
			if kept <= 0 || kept >= acked {
				t.Errorf("the replica is at %d, the master at %d: nothing would be lost", kept, acked)
			}
			master.Kill9()
			began := time.Now()
			t.Logf("the sentinels name the replica after %v, which is at %d instead of %d", sentinels.WaitMaster(replica, 20*time.Second).Round(time.Millisecond), kept, acked)
			b.viewBecomes(20*time.Second, "kl", redisBars, replica)
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
