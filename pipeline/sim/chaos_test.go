//go:build synctests

package sim

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stableTime bounds the wait for a stable group before a kill: a member that
// dies while it joins leaves a ghost in the brokers' model of a group.
const stableTime = 20 * time.Second

// play lets the seed do its worst.
func (w *world) play() {
	w.troubleStart()
	for slot := range w.slots {
		w.up(slot)
	}
	w.market.open()
	time.Sleep(time.Duration(w.rng.IntN(4000)) * time.Millisecond)
	for range w.plan.steps {
		w.act()
		w.pass(time.Duration(w.rng.IntN(2000)) * time.Millisecond)
	}
}

// errand is something to be done later in the seed.
type errand struct {
	at time.Time
	do func()
}

// pass lets d go by and runs the errands that fall due.
func (w *world) pass(d time.Duration) {
	end := time.Now().Add(d)
	for {
		slices.SortStableFunc(w.errands, func(a, b errand) int { return a.at.Compare(b.at) })
		if len(w.errands) == 0 || w.errands[0].at.After(end) {
			time.Sleep(time.Until(end))
			return
		}
		next := w.errands[0]
		w.errands = w.errands[1:]
		time.Sleep(time.Until(next.at))
		next.do()
	}
}

func (w *world) later(d time.Duration, do func()) {
	w.errands = append(w.errands, errand{at: time.Now().Add(d), do: do})
}

// act is one misfortune.
func (w *world) act() {
	switch w.rng.IntN(16) {
	case 0, 1:
		w.kill()
	case 2:
		w.restart()
	case 3:
		w.trace.add("world", "leaders move")
		w.fake.ShufflePartitionLeaders()
		w.tally.hit("leader moves", 1)
	case 4:
		w.trace.add("world", "coordinators move")
		w.fake.RehashCoordinators()
		w.tally.hit("coordinator moves", 1)
	case 5:
		w.trouble()
	case 6, 7, 8:
		w.loseOne()
	default:
		w.plantOne()
	}
}

func (w *world) plantOne() {
	all := kinds()
	for {
		if k := all[w.rng.IntN(len(all))]; k.mayHit(w.plan) {
			w.plant(k, 1+w.rng.IntN(4))
			return
		}
	}
}

// troubleStart plants, in some seeds, what only a node meets that finds nothing
// yet.
func (w *world) troubleStart() {
	for _, k := range kinds() {
		if (k.key == kmsg.CreateTopics || k.key == kmsg.DescribeConfigs) && w.rng.IntN(10) == 0 {
			w.plant(k, 1)
		}
	}
}

func (w *world) loseOne() {
	if _, n := w.pickSlot(); n != nil {
		all := losses()
		x := all[w.rng.IntN(len(all))]
		w.trace.add("fault", x.String(), "node", n.name)
		n.link.lose(x)
	}
}

// trouble troubles the network of one node.
func (w *world) trouble() {
	slot, n := w.pickSlot()
	if n == nil {
		return
	}
	d := time.Duration(w.rng.IntN(15_000)) * time.Millisecond
	switch w.rng.IntN(3) {
	case 0:
		if !w.stable() { // for the brokers' model a cut is a kill
			return
		}
		w.trace.add("fault", "cut", "node", n.name, "for", d)
		w.tally.hit("nodes cut off", 1)
		n.link.cut()
		w.later(d, func() {
			if w.slots[slot] == n {
				n.link.mend()
			}
		})
	case 1:
		w.trace.add("fault", "freeze", "node", n.name, "for", d)
		w.tally.hit("nodes frozen", 1)
		n.link.freeze(d)
	case 2:
		d = min(d/10, time.Second)
		w.trace.add("fault", "slow", "node", n.name, "by", d)
		w.tally.hit("slow networks", 1)
		n.link.slow(d)
	}
}

// kill ends a node as kill -9 does and starts it again after a while.
func (w *world) kill() {
	slot, n := w.pickSlot()
	if n == nil || !w.stable() {
		return
	}
	w.trace.add("world", "kill "+n.name)
	w.tally.hit("kills", 1)
	n.kill()
	w.slots[slot] = nil
	w.laterUp(slot, 12_000)
}

// restart ends a node in good order and starts it again; sometimes only after
// others have taken its partitions.
func (w *world) restart() {
	slot, n := w.pickSlot()
	if n == nil {
		return
	}
	w.trace.add("world", "stop "+n.name)
	w.tally.hit("clean stops", 1)
	n.stop()
	if err := <-n.stopped; err != nil {
		w.t.Error(err)
	}
	n.stopped <- nil
	w.slots[slot] = nil
	w.laterUp(slot, 20_000)
}

func (w *world) pickSlot() (int, *node) {
	slot := w.rng.IntN(len(w.slots))
	return slot, w.slots[slot]
}

// laterUp starts a slot at once or after at most ms.
func (w *world) laterUp(slot, ms int) {
	if w.rng.IntN(3) == 0 {
		ms = 1
	}
	w.later(time.Duration(w.rng.IntN(ms))*time.Millisecond, func() { w.up(slot) })
}

// stable waits until no member joins.
func (w *world) stable() bool {
	ctx, cancel := context.WithTimeout(context.Background(), stableTime)
	defer cancel()
	_, err := w.fake.WaitGroupInfo(ctx, group, func(g *kfake.GroupInfo) bool { return g != nil && g.State == "Stable" })
	if err != nil {
		w.tally.hit("kills and cuts left out, group not stable", 1)
	}
	return err == nil
}
