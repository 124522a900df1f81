package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// fleet is several nodes of one group.
type fleet struct {
	t     *testing.T
	place *realPlace
	nodes []*bed
}

func startFleet(t *testing.T, p *realPlace, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, place: p}
	for range n {
		f.join()
	}
	return f
}

// join starts one more node.
func (f *fleet) join() *bed {
	f.t.Helper()
	b := start(f.t, f.place, "")
	f.nodes = append(f.nodes, b)
	return b
}

// owners maps each partition to the nodes that say they work on it.
func (f *fleet) owners() map[int32][]int {
	owners := map[int32][]int{}
	for i, b := range f.nodes {
		if !b.node.Running() {
			continue
		}
		for _, p := range b.status().Partitions {
			if p.State == "running" {
				owners[p.Partition] = append(owners[p.Partition], i)
			}
		}
	}
	return owners
}

// settled waits until every partition has one owner that has read everything.
func (f *fleet) settled(limit time.Duration) {
	f.t.Helper()
	f.eventually(limit, "every partition has one owner without lag", func() bool {
		lag := map[int32]int64{}
		for _, b := range f.nodes {
			if !b.node.Running() {
				continue
			}
			for _, p := range b.status().Partitions {
				if p.State == "running" {
					if _, twice := lag[p.Partition]; twice {
						return false
					}
					lag[p.Partition] = p.Lag
				}
			}
		}
		for _, l := range lag {
			if l > 0 {
				return false
			}
		}
		return len(lag) == int(f.place.n)
	})
}

func (f *fleet) eventually(limit time.Duration, what string, ok func() bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			f.t.Fatalf("not within %s: %s; owners %v", limit, what, f.owners())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// share is how many partitions each running node works on.
func (f *fleet) share() []int {
	n := make([]int, len(f.nodes))
	for _, nodes := range f.owners() {
		for _, i := range nodes {
			n[i]++
		}
	}
	return n
}

// latest is the newest bar of a series on one node.
func latest(t *testing.T, b *bed, symbol, interval string) (k struct {
	T     int64 `json:"t"`
	N     int64 `json:"n"`
	Final bool  `json:"final"`
}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/klines?sym=%s&itv=%s&limit=1", b.http, symbol, interval), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return k
	}
	defer resp.Body.Close()
	var body struct {
		Bars []json.RawMessage `json:"bars"`
	}
	if json.NewDecoder(resp.Body).Decode(&body) != nil || len(body.Bars) == 0 {
		return k
	}
	if err := json.Unmarshal(body.Bars[len(body.Bars)-1], &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// repeats counts positions that a read_committed reader sees twice.
func (f *fleet) repeats() int {
	f.t.Helper()
	seen, repeats := map[[3]string]bool{}, 0
	err := oracle.Kcat(f.t.Context(), f.place.brokers(), f.place.topic("klines"), func(r oracle.Record) error {
		at := [3]string{fmt.Sprint(r.Partition), r.Headers["so"], r.Headers["sk"]}
		if seen[at] {
			repeats++
		}
		seen[at] = true
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return repeats
}

// check holds the topic, REST of every node and the streams against the oracle.
func (f *fleet) check(streams ...*client) {
	f.t.Helper()
	f.settled(2 * time.Minute)
	time.Sleep(5 * time.Second) // whatever is still open of the seconds is closed by the clock
	for i, b := range f.nodes {
		if !b.node.Running() {
			continue
		}
		if i > 0 {
			streams = nil
		}
		b.check(allIntervals, false, streams...)
	}
	if n := f.repeats(); n > 0 {
		f.t.Errorf("a read_committed reader of klines sees %d positions twice", n)
	}
}

// TestServersNodesShareTheWork: 1 -> 3 -> 2 nodes under load, some killed, and
// clients that go from one to the next.
func TestServersNodesShareTheWork_B06(t *testing.T) {
	t.Parallel()
	p := newServers(t).place(6)
	p.session = "6s"
	f := startFleet(t, p, 1)
	load := startFlow(t, f.nodes[0], 400, 1)
	f.settled(time.Minute)
	f.join()
	f.join()
	streams := []*client{
		streamAny(t, f.nodes, "s=S0000,S0001@1s,1m:kline,ema(20)", nil),
		streamAny(t, []*bed{f.nodes[1], f.nodes[2], f.nodes[0]}, "s=S0002,S0003,S0004@1s:kline", nil),
	}
	took := f.eventually(time.Minute, "each of three nodes works on two partitions", func() bool { return fmt.Sprint(f.share()) == "[2 2 2]" })
	t.Logf("three nodes share the work after %s", took)
	for i, b := range f.nodes {
		f.wantForming(i, b)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range max(kills(t)/2, 3) {
		b := f.nodes[r.IntN(3)]
		time.Sleep(time.Duration(300+r.IntN(1500)) * time.Millisecond)
		b.kill()
		time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
		b.node.Restart()
	}
	for _, b := range f.nodes {
		b.ready()
	}
	f.settled(time.Minute)
	// One goes for good: the others take over after its session.
	f.nodes[2].kill()
	took = f.eventually(patience, "two nodes work on all partitions", func() bool { return len(f.owners()) == 6 })
	t.Logf("the partitions of a dead node were taken over after %s (session 6s)", took)
	load.stop()
	load.done.Wait()
	f.check(streams...)
}

// wantForming: a node shows bars in progress of every symbol, whoever works on
// its partition.
func (f *fleet) wantForming(i int, b *bed) {
	f.t.Helper()
	var wg sync.WaitGroup
	for _, symbol := range []string{"S0000", "S0001", "S0002", "S0003", "S0004"} {
		wg.Go(func() {
			first := latest(f.t, b, symbol, "1m")
			deadline := time.Now().Add(patience)
			for {
				now := latest(f.t, b, symbol, "1m")
				if !now.Final && now.T > 0 && (now.N > first.N || now.T > first.T) {
					return
				}
				if time.Now().After(deadline) {
					f.t.Errorf("node %d: the bar in progress of %s stands still: %+v, then %+v", i, symbol, first, now)
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	wg.Wait()
}

// TestServersZombieIsRefused: a node that was stopped for longer than its
// session wakes up beside the new owner of its partitions.
func TestServersZombieIsRefused_A08(t *testing.T) {
	t.Parallel()
	p := newServers(t).place(4)
	p.session = "6s"
	f := startFleet(t, p, 2)
	load := startFlow(t, f.nodes[0], 400, 2)
	f.eventually(time.Minute, "both nodes work", func() bool { return fmt.Sprint(f.share()) == "[2 2]" })
	streams := []*client{streamAny(t, f.nodes, "s=S0000,S0001,S0002,S0003,S0004@1s:kline", nil)}
	for turn := range 2 {
		zombie := f.nodes[turn%2]
		if err := zombie.node.Pause(); err != nil {
			t.Fatal(err)
		}
		other := f.nodes[(turn+1)%2]
		f.eventually(patience, "the other node works on everything", func() bool {
			n := 0
			for _, p := range other.status().Partitions {
				if p.State == "running" {
					n++
				}
			}
			return n == 4
		})
		time.Sleep(2 * time.Second)
		if err := zombie.node.Continue(); err != nil {
			t.Fatal(err)
		}
		f.eventually(time.Minute, "the work is shared again", func() bool { return fmt.Sprint(f.share()) == "[2 2]" })
	}
	load.stop()
	load.done.Wait()
	f.check(streams...)
}

// TestServersTwoHundredStreamsOverReconnects_E03: 200 clients cut and resume
// their streams 2,000 times and more, on whichever of three nodes comes next,
// while nodes are killed.
func TestServersTwoHundredStreamsOverReconnects_E03(t *testing.T) {
	t.Parallel()
	const clients, reconnects = 200, 2000
	p := newServers(t).place(6)
	p.session = "6s"
	f := startFleet(t, p, 3)
	load := startFlow(t, f.nodes[0], 200, 3)
	f.settled(time.Minute)
	r := rand.New(rand.NewPCG(3, 3))
	streams := make([]*client, clients)
	for i := range streams {
		nodes := append(slices.Clone(f.nodes[i%3:]), f.nodes[:i%3]...)
		rng := rand.New(rand.NewPCG(uint64(i), 3))
		hold := func() time.Duration { return time.Duration(500+rng.IntN(2000)) * time.Millisecond }
		selection := fmt.Sprintf("s=S000%d@1s,1m:kline", i%5)
		if i%4 == 0 {
			selection += ",ema(20)"
		}
		streams[i] = streamFor(t, nodes, selection, nil, hold)
	}
	total := func() (n int) {
		for _, c := range streams {
			n += len(c.endings())
		}
		return n
	}
	for killed := 0; total() < reconnects; {
		if killed < 3 && total() > (killed+1)*reconnects/5 {
			b := f.nodes[r.IntN(3)]
			b.kill()
			b.node.Restart()
			killed++
		}
		time.Sleep(100 * time.Millisecond)
	}
	load.stop()
	load.done.Wait()
	t.Logf("%d reconnects of %d clients", total(), clients)
	f.check(streams...)
}
