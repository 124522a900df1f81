package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// A reply that does not come says nothing about what the server did; what a
// stopped server was sent it may do when nobody waits for it any more.
func TestServersRedisLosesReplies_D02(t *testing.T) {
	t.Parallel()
	r := server.StartRedis(t, server.RedisConfig{})
	proxy := server.StartRedisProxy(t, r.Addr())
	b := redisBed(t, 2, "address "+proxy.Addr())
	lines := redisTrades(t, 8)
	b.pour(lines, 16, func(i int) {
		switch {
		case i == 9:
			if err := r.Pause(); err != nil {
				t.Fatal(err)
			}
		case i == 12:
			b.away()
			if err := r.Continue(); err != nil {
				t.Fatal(err)
			}
		case i%3 == 1:
			proxy.Swallow(1 + i%2)
		}
	})
	b.ending(lines, "kl", redisBars, r)
	if proxy.Swallowed() == 0 {
		t.Error("no reply was swallowed")
	}
	t.Logf("%d replies swallowed", proxy.Swallowed())
}

// The server comes back with what it had a while ago, from a snapshot or from a
// log of its own.
func TestServersRedisComesBackWithOlderData_D03(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		durable bool
		save    func(t *testing.T, r *server.Redis)
		restore func(t *testing.T, r *server.Redis)
	}{
		{"snapshot", false, func(_ *testing.T, r *server.Redis) { r.Must("SAVE") }, func(*testing.T, *server.Redis) {}},
		{"append-only file", true, func(t *testing.T, r *server.Redis) {
			if err := os.CopyFS(filepath.Join(r.Dir(), "older"), os.DirFS(filepath.Join(r.Dir(), "appendonlydir"))); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, r *server.Redis) {
			if err := os.RemoveAll(filepath.Join(r.Dir(), "appendonlydir")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(r.Dir(), "older"), filepath.Join(r.Dir(), "appendonlydir")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := server.StartRedis(t, server.RedisConfig{Durable: tc.durable})
			b := redisBed(t, 1, "address "+r.Addr())
			lines := redisTrades(t, 9)
			before, after := int64(0), int64(0)
			b.pour(lines, 6, func(i int) {
				switch i {
				case 2:
					b.caughtUp(r)
					tc.save(t, r)
				case 4:
					b.caughtUp(r)
					before = b.viewPosition(r, 0)
					r.Kill9()
					tc.restore(t, r)
					b.settle(time.Minute)
					b.node.Pause() // or it would repair what is to be seen
					r.Restart()
					after = b.viewPositionOf(r, b.viewKeys(r)[0])
					b.node.Continue()
				}
			})
			b.ending(lines, "kl", redisBars, r)
			if after <= 0 || after >= before {
				t.Errorf("the server came back at %d, it was at %d: that is not older data", after, before)
			}
		})
	}
}

// viewKeys are the keys of the positions.
func (b *bed) viewKeys(r *server.Redis) []string {
	b.t.Helper()
	var keys []string
	for _, line := range strings.Fields(string(redisCLI(b.t, r, "KEYS", "*:pos"))) {
		if key := strings.Trim(line, `[]",`); key != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		b.t.Fatal("the view has no position")
	}
	return keys
}

// viewPosition is the next offset of klines that a partition of the view needs.
func (b *bed) viewPosition(r *server.Redis, p int32) int64 {
	b.t.Helper()
	return b.viewPositionOf(r, "kl:{"+b.mapping()+"."+strconv.Itoa(int(p))+"}:pos")
}

func (b *bed) viewPositionOf(r *server.Redis, key string) int64 {
	b.t.Helper()
	text := r.Must("HGET", key, "next")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		b.t.Fatalf("%s holds the position %q", key, text)
	}
	return n
}

// Writes reach a read-only replica, which gives its data up for those of its new
// master, and becomes a master again.
func TestServersRedisBecomesAReplica_D05(t *testing.T) {
	t.Parallel()
	r, other := server.StartRedis(t, server.ReplicatedRedis()), server.StartRedis(t, server.ReplicatedRedis())
	b := redisBed(t, 2, "address "+r.Addr())
	lines := redisTrades(t, 10)
	b.pour(lines, 6, func(i int) {
		switch i {
		case 2:
			r.ReplicaOf(other)
			b.away()
		case 4:
			r.ReplicaOf(nil)
		}
	})
	b.ending(lines, "kl", redisBars, r)
}

// A server that evicts loses single keys, one that is full refuses writes.
func TestServersRedisEvictsAndFillsUp_D06(t *testing.T) {
	t.Parallel()
	r := server.StartRedis(t, server.RedisConfig{Args: []string{"--maxmemory-policy", "allkeys-lru"}})
	b := redisBed(t, 2, "address "+r.Addr())
	b.node.WaitLog("set noeviction", patience)
	lines := redisTrades(t, 11)
	half := lines[:len(lines)/2]
	b.pour(half, 3, nil)
	b.settle(time.Minute)
	b.viewBecomes(patience, "kl", redisBars, r)

	keys, used := r.Must("DBSIZE"), infoNumber(t, r, "memory", "used_memory")
	b.node.Pause() // or it would put back what is to be seen missing
	// By small steps: what else Redis holds comes and goes, and a limit below that would take every key.
	for limit := used; infoNumber(t, r, "stats", "evicted_keys") == 0; time.Sleep(10 * time.Millisecond) {
		limit -= used / 200
		r.Must("CONFIG", "SET", "maxmemory", strconv.Itoa(limit))
	}
	r.Must("CONFIG", "SET", "maxmemory", "0")
	left := r.Must("DBSIZE")
	if left == keys || left == "0" {
		t.Errorf("of %s keys %s are left: that is no eviction of single keys", keys, left)
	}
	b.node.Continue()
	t.Logf("of %s keys %s were left, the idle view is whole again after %v", keys, left, b.viewBecomes(patience, "kl", redisBars, r).Round(time.Millisecond))

	r.Must("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb")
	b.pour(lines[len(half):], 3, func(i int) {
		if i == 2 {
			b.away()
			r.Must("CONFIG", "SET", "maxmemory", "0")
		}
	})
	b.ending(lines, "kl", redisBars, r)
}

// infoNumber is a number of INFO.
func infoNumber(t *testing.T, r *server.Redis, section, field string) int {
	t.Helper()
	_, rest, _ := strings.Cut(r.Must("INFO", section), "\n"+field+":")
	rest, _, _ = strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(rest)
	if err != nil {
		t.Fatalf("INFO %s has no number %s: %v", section, field, err)
	}
	return n
}

// The server forgets scripts, and everything, at random moments.
func TestServersRedisForgetsScriptsAndData_D03_D07(t *testing.T) {
	t.Parallel()
	r := server.StartRedis(t, server.RedisConfig{})
	b := redisBed(t, 2, "address "+r.Addr())
	lines := redisTrades(t, 12)
	b.pour(lines, 24, func(i int) {
		r.Must("SCRIPT", "FLUSH")
		if i%5 == 3 {
			r.Must("FLUSHALL")
		}
	})
	b.ending(lines, "kl", redisBars, r)
}
