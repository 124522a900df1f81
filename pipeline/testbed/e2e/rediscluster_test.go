package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// manySymbols are the trades again under other names, so that all partitions
// have some.
func manySymbols(lines []line, n int) []line {
	var out []line
	for _, l := range lines {
		name := l.Symbol
		for i := range n {
			l.Symbol = fmt.Sprintf("%s%d", name, i)
			out = append(out, l)
		}
	}
	return out
}

// One master of three dies: its partitions wait, the others go on. It comes back
// empty, and later gives a slot away.
func TestServersRedisClusterLosesAMaster_D01_D03(t *testing.T) {
	t.Parallel()
	const partitions = 6
	cluster := server.StartRedisCluster(t, 3, server.RedisConfig{Args: []string{"--cluster-require-full-coverage", "no"}})
	b := redisBed(t, partitions, "cluster "+strings.Join(cluster.Addrs()[:2], " "))
	lines := manySymbols(redisTrades(t, 14)[:8000], 4)
	holders := map[int][]int32{}
	for p := range int32(partitions) {
		n := cluster.Holder("{" + b.mapping() + "." + strconv.Itoa(int(p)) + "}")
		holders[n] = append(holders[n], p)
	}
	t.Logf("partitions by master: %v", holders)
	victim := cluster.Holder("{" + b.mapping() + ".0}")
	b.pour(lines, 9, func(i int) {
		switch i {
		case 3:
			b.caughtUp(cluster.Nodes...)
			cluster.Nodes[victim].Kill9()
		case 5:
			b.away()
			b.othersGoOn(cluster, victim, holders, lines[5*len(lines)/9:6*len(lines)/9])
			cluster.Nodes[victim].Restart()
		case 7:
			b.settle(time.Minute)
			cluster.WaitWhole(t, patience)
			t.Logf("with the master back the view is whole after %v", b.viewBecomes(patience, "kl", redisBars, cluster.Nodes...).Round(time.Millisecond))
			b.moveSlot(cluster, victim)
		}
	})
	b.ending(lines, "kl", redisBars, cluster.Nodes...)
}

// othersGoOn checks that the view of partitions on other masters moves.
func (b *bed) othersGoOn(cluster *server.RedisCluster, victim int, holders map[int][]int32, lines []line) {
	b.t.Helper()
	before := map[int32]int64{}
	for n, ps := range holders {
		for _, p := range ps {
			if n != victim {
				before[p] = b.viewPosition(cluster.Nodes[n], p)
			}
		}
	}
	b.kcat(text(lines)) // will be sent again: the ids make the second time a repeat
	b.settle(time.Minute)
	moved := 0
	for deadline := time.Now().Add(patience); moved == 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for n, ps := range holders {
			for _, p := range ps {
				if n != victim && b.viewPosition(cluster.Nodes[n], p) > before[p] {
					moved++
				}
			}
		}
	}
	b.t.Logf("%d of %d partitions on other masters moved while one was dead", moved, len(before))
	if moved == 0 && len(before) > 0 {
		b.t.Error("no partition of the other masters went on")
	}
}

// moveSlot gives the slot of partition 0 to another master, without its data.
func (b *bed) moveSlot(cluster *server.RedisCluster, from int) {
	b.t.Helper()
	slot := cluster.Nodes[from].Must("CLUSTER", "KEYSLOT", "{"+b.mapping()+".0}")
	to := (from + 1) % len(cluster.Nodes)
	id := cluster.Nodes[to].Must("CLUSTER", "MYID")
	cluster.Nodes[to].Must("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.Nodes[from].Must("CLUSTER", "MYID"))
	cluster.Nodes[to].Must("CLUSTER", "SETSLOT", slot, "NODE", id)
	for i := range 3 {
		n := cluster.Nodes[(to+i)%len(cluster.Nodes)]
		n.Must("FLUSHALL")
		n.Must("CLUSTER", "SETSLOT", slot, "NODE", id)
	}
	cluster.WaitWhole(b.t, patience)
}
