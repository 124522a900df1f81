package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// redisBars is view_bars of these tests: less than the seconds of the trades,
// so that old bars are deleted while things break.
const redisBars = 200

// redisPlace is a node with the embedded broker, where a real Kafka would add
// nothing, and a Redis of its own.
type redisPlace struct {
	*embedded
	block string // of the store
}

func (r *redisPlace) store() string { return "store redis {\n\t\t\t" + r.block + "\n\t\t}" }

// redisBed starts a node whose store block has one more word.
func redisBed(t *testing.T, partitions int32, block string) *bed {
	t.Helper()
	return start(t, &redisPlace{newEmbedded(t, partitions), block}, fmt.Sprintf("view_bars %d", redisBars))
}

// redisTrades are some minutes of trades, a little out of order: many bars are
// restated after they were closed.
func redisTrades(t *testing.T, seed uint64) []line {
	t.Helper()
	return shuffled(midnight(t), 2000, seed)[:16000]
}

// pour produces the lines in pieces and calls between before each but the
// first, while the node is at work.
func (b *bed) pour(lines []line, pieces int, between func(i int)) {
	b.t.Helper()
	for i := range pieces {
		if i > 0 && between != nil {
			between(i)
		}
		b.kcat(text(lines[i*len(lines)/pieces : (i+1)*len(lines)/pieces]))
	}
}

// ending closes all bars, and holds klines against the oracle and the view
// against klines.
func (b *bed) ending(lines []line, prefix string, most int, servers ...*server.Redis) {
	b.t.Helper()
	b.settle(time.Minute)
	b.heartbeat(b.place.topic("ticks"), lines[len(lines)-1].TS+15*24*3600*1000)
	b.settle(time.Minute)
	b.check(allIntervals, true)
	b.t.Logf("the view is the topic, %v later", b.viewBecomes(patience, prefix, most, servers...).Round(time.Millisecond))
	b.undegraded()
}

// caughtUp waits until the view shows all that was poured.
func (b *bed) caughtUp(servers ...*server.Redis) {
	b.t.Helper()
	b.settle(time.Minute)
	b.viewBecomes(patience, "kl", redisBars, servers...)
}

// undegraded waits until nothing is reported as away.
func (b *bed) undegraded() {
	b.t.Helper()
	b.reports(patience, "nothing degraded", func(s status) bool { return len(s.Degraded) == 0 && s.Ready })
}

// away waits until the store is reported as away, and nothing else.
func (b *bed) away() {
	b.t.Helper()
	b.reports(patience, "the store degraded", func(s status) bool {
		return len(s.Degraded) == 1 && strings.HasPrefix(s.Degraded[0], "store: ") && s.Ready
	})
}

func (b *bed) reports(limit time.Duration, what string, ok func(status) bool) {
	b.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		s := b.status()
		if ok(s) {
			return
		}
		if time.Now().After(deadline) {
			b.t.Errorf("the node reports ready %v, degraded %v; want %s", s.Ready, s.Degraded, what)
			return
		}
	}
}

// Redis away never stops klines, and what it missed it gets.
func TestServersRedisAwayAndFlushed_D01_D03(t *testing.T) {
	t.Parallel()
	s := newServers(t)
	p := s.place(2)
	b := start(t, p, fmt.Sprintf("view_bars %d", redisBars))
	lines := redisTrades(t, 7)
	b.pour(lines, 6, func(i int) {
		switch i {
		case 1, 2:
			p.redis.Must("FLUSHALL")
		case 3:
			p.redis.Kill9()
		}
	})
	b.settle(time.Minute)
	b.away()
	p.redis.Restart()
	b.ending(lines, p.name, redisBars, p.redis)
}
