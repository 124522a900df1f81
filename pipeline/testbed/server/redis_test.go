//go:build unix

package server

import (
	"fmt"
	"testing"
	"time"
)

func TestRedisAfterAKill(t *testing.T) {
	tests := []struct {
		name    string
		durable bool
		want    string
	}{
		{"comes back empty", false, "-1"},
		{"durable keeps every acknowledged write", true, "v"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			r := StartRedis(t, RedisConfig{Durable: test.durable})
			t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
			if _, err := r.Do(t.Context(), "SET", "k", "v"); err != nil {
				t.Fatal(err)
			}
			r.Kill9()
			r.Restart()
			if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != test.want {
				t.Errorf("GET after the kill: %q, %v; want %q", got, err, test.want)
			}
			if _, err := r.Do(t.Context(), "NOSUCH"); err == nil {
				t.Error("an unknown command was answered without an error")
			}
			if err := r.Stop(patience); err != nil {
				t.Error(err)
			}
		})
	}
}

// A replica whose link is cut stays behind, and sentinels promote it nevertheless.
func TestRedisSentinelsPromoteALaggingReplica(t *testing.T) {
	began := time.Now()
	master := StartRedis(t, ReplicatedRedis())
	replica := master.StartReplica()
	sentinels := StartSentinels(t, master, 1)
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	master.Must("SET", "k", "old")
	if got := master.Must("WAIT", "1", "50000"); got != "1" { // ms
		t.Fatalf("%s replicas have the first write", got)
	}
	replica.CutLink(master)
	master.Must("SET", "k", "new")
	master.Kill9()
	t.Logf("failed over after %v", sentinels.WaitMaster(replica, patience).Round(time.Millisecond))
	if got := replica.Must("GET", "k"); got != "old" {
		t.Errorf("the replica has %q, want what it had when the link was cut", got)
	}
	if got := replica.Must("SET", "k", "newer"); got != "OK" {
		t.Errorf("the new master answers a write with %q", got)
	}
}

func TestRedisClusterIsWhole(t *testing.T) {
	for _, n := range []int{1, 3} {
		began := time.Now()
		c := StartRedisCluster(t, n, RedisConfig{})
		t.Logf("%d masters ready after %v", n, time.Since(began).Round(time.Millisecond))
		for _, key := range []string{"a", "b", "{tag}c", "{tag}d"} {
			if got := c.Nodes[c.Holder(key)].Must("SET", key, "v"); got != "OK" {
				t.Errorf("%s: %q", key, got)
			}
		}
		if _, err := c.Nodes[0].Do(t.Context(), "MSET", "a", "1", "b", "2"); err == nil {
			t.Error("a command over two slots was taken")
		}
		last := len(c.Nodes) - 1
		c.Nodes[last].Kill9()
		c.Nodes[last].Restart()
		c.WaitWhole(t, patience)
	}
}

func TestRedisProxySwallowsReplies(t *testing.T) {
	r := StartRedis(t, RedisConfig{})
	p := StartRedisProxy(t, r.Addr())
	behind := &Redis{t: t, port: 0}
	if _, err := fmt.Sscanf(p.Addr(), "127.0.0.1:%d", &behind.port); err != nil {
		t.Fatal(err)
	}
	if got := behind.Must("SET", "k", "1"); got != "OK" {
		t.Errorf("SET was answered %q", got)
	}
	p.Swallow(1)
	came := make(chan string, 1)
	go func() { // until the end of the proxy
		if answer, err := behind.Do(t.Context(), "INCR", "k"); err == nil {
			came <- answer
		}
	}()
	for deadline := time.Now().Add(patience); p.Swallowed() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	select {
	case answer := <-came:
		t.Errorf("the reply came through: %q", answer)
	case <-time.After(200 * time.Millisecond):
	}
	if got := r.Must("GET", "k"); got != "2" || p.Swallowed() != 1 {
		t.Errorf("the server has %q, want that the command ran once; %d replies swallowed", got, p.Swallowed())
	}
}
