//go:build unix

package chaos

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// strikes carries a plan out: lanes side by side, the faults of a lane one after the other. A fault that comes too late because those
// before it took longer is made as soon as its rest is over; none is made behind the end of the run.
type strikes struct {
	s      *site
	book   *diary
	end    time.Time
	broken atomic.Bool // a broker is away, or not back in sync
}

// run returns when every lane is through and everything that was broken is healed.
func (x *strikes) run(ctx context.Context, plan []Fault) {
	lanes := map[string][]Fault{}
	for _, f := range plan {
		lanes[f.Lane] = append(lanes[f.Lane], f)
	}
	var all sync.WaitGroup
	for _, faults := range lanes {
		all.Go(func() { // Fatal of the host ends the lane, and the run sees it
			var over time.Time // the fault before this one
			for _, f := range faults {
				if !x.sleep(ctx, max(time.Until(x.book.began.Add(f.At)), time.Until(over.Add(f.Rest)))) || time.Now().After(x.end) || x.s.h.Failure() != nil {
					return
				}
				x.book.note("%s", f)
				x.strike(f)
				over = time.Now()
				x.book.made(f.Kind)
			}
		})
	}
	all.Wait()
}

func (x *strikes) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (x *strikes) strike(f Fault) {
	switch f.Kind {
	case KillBroker, SlowBroker:
		x.broker(f)
	case KillRedis, FlushRedis, SlowRedis, CutRedis:
		x.redis(f)
	default:
		x.node(f)
	}
}

func (x *strikes) node(f Fault) {
	n := x.s.nodes[f.Target]
	switch f.Kind {
	case KillNode, LeaveNode:
		n.kill()
		time.Sleep(f.Hold)
		n.binary.Restart()
	case ZombieNode:
		n.check()
		x.must(n.binary.Pause())
		time.Sleep(f.Hold)
		x.must(n.binary.Continue())
	case ReloadSame, ReloadEqual, ReloadInvalid:
		x.reload(n, f)
	case SlowNode:
		x.links(n.links, f.Hold, func(l *link) error { return l.slow(20 + f.Extra/5) })
	case CutNode:
		x.links(n.links, f.Hold, (*link).cut)
	case ResetNode:
		x.links(n.links, f.Hold, (*link).reset)
	}
	if f.Wait {
		x.ready(n, f.Kind)
	}
}

// ready waits until a node says that it is. Its minute is one of whole brokers: no node is ready without the group, and how long three
// brokers on a busy machine need for their own quorum is nothing that a node can help.
func (x *strikes) ready(n *node, after Kind) {
	const patience, most = time.Minute, 10 * time.Minute
	began, whole, last := time.Now(), time.Duration(0), time.Now()
	var reasons []string
	ready := func() bool {
		if st, ok := n.status(); ok && len(st.Reasons) > 0 {
			reasons = st.Reasons
		}
		broken := x.broken.Load()
		done := n.answers(time.Second) || !n.binary.Running()
		now := time.Now()
		if !broken && !x.broken.Load() {
			whole += now.Sub(last)
		}
		last = now
		return done || whole > patience
	}
	took, ok := until(most, ready)
	if !ok || whole > patience {
		x.s.h.Errorf("node %d is not ready %v after %s at %v, with all brokers for %v: %v", n.number, took.Round(time.Second), after, began.Format("15:04:05"), whole.Round(time.Second), reasons)
	}
	if took > 10*time.Second {
		x.book.note("node %d was ready only %v after %s, the last reasons were %v", n.number, took.Round(time.Millisecond), after, reasons)
	}
	x.book.slowest(took)
}

// reloads are how many a fault makes, one directly after the other.
const reloads = 3

func (x *strikes) reload(n *node, f Fault) {
	for i := range reloads {
		config, want := n.config(""), http.StatusOK
		switch f.Kind {
		case ReloadEqual: // settings that change no result are attached without a new engine
			config = n.config([]string{"drain_timeout 900ms", "drain_timeout 1500ms", "drain_timeout 2s"}[i])
		case ReloadInvalid:
			config, want = n.config([]string{"intervals_of 1s", "max_future never", "node {env.KLINE_UNSET_NAME}"}[i]), http.StatusBadRequest
		}
		code, answer, err := n.reload(config)
		if err != nil { // the node is starting: there is no endpoint yet
			x.book.note("reload of node %d: %v", n.number, err)
			x.book.add("reloads without an answer", 1)
			continue
		}
		x.book.add("reloads", 1)
		if code != want {
			x.s.h.Errorf("node %d answered %q with %d, want %d: %.300s", n.number, f.Kind, code, want, answer)
		}
		time.Sleep(f.Hold / reloads)
	}
}

func (x *strikes) links(links []*link, hold time.Duration, breaks func(*link) error) {
	for _, l := range links {
		x.must(breaks(l))
	}
	time.Sleep(hold)
	for _, l := range links {
		x.must(l.heal())
	}
}

// broker breaks one broker and waits until it is back with all its replicas, so that never two are away.
func (x *strikes) broker(f Fault) {
	var links []*link
	for _, n := range x.s.nodes {
		links = append(links, n.links[f.Target])
	}
	if f.Kind == SlowBroker {
		x.links(links, f.Hold, func(l *link) error { return l.slow(20 + f.Extra/5) })
		return
	}
	x.broken.Store(true)
	defer x.broken.Store(false)
	x.s.kafka.Kill9(f.Target)
	for _, l := range links {
		x.must(l.refuse())
	}
	time.Sleep(f.Hold)
	x.s.kafka.Restart(f.Target)
	for _, l := range links {
		x.must(l.heal())
	}
	x.s.kafka.WaitReady()
	ready := time.Now()
	x.must(x.s.inSync(90 * time.Second))
	x.book.note("broker %d is ready, and in sync %v later", f.Target, time.Since(ready).Round(time.Millisecond))
}

func (x *strikes) redis(f Fault) {
	switch f.Kind {
	case KillRedis:
		x.s.redis.Kill9()
		x.must(x.s.toRedis.refuse())
		time.Sleep(f.Hold)
		x.s.redis.Restart()
		x.must(x.s.toRedis.heal())
	case FlushRedis:
		x.s.redis.Must("FLUSHALL")
	case SlowRedis:
		x.links([]*link{x.s.toRedis}, f.Hold, func(l *link) error { return l.slow(100 + f.Extra) })
	case CutRedis:
		x.links([]*link{x.s.toRedis}, f.Hold, (*link).cut)
	}
}

// must ends the lane on an error of the bed itself.
func (x *strikes) must(err error) {
	if err != nil {
		x.s.h.Fatal(err)
	}
}
