//go:build synctests

package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

const (
	// recoveryTime is what the nodes may take from the last fault to lag 0: the
	// promise is 60 s, and a member that died has to be noticed first.
	recoveryTime = 60*time.Second + sessionTimeout
	// ghostTime is longer than the rebalance timeout, at which the brokers' model
	// of a group counts its members anew.
	ghostTime = 80 * time.Second
	// barTime is longer than the longest interval.
	barTime = 15 * time.Second
)

// heal ends all faults, has every node running, and waits until everything that
// was traded is processed and every bar closed.
func (w *world) heal() bool {
	w.uproot()
	for _, e := range w.errands {
		e.do()
	}
	w.errands = nil
	for slot, n := range w.slots {
		if n == nil {
			w.up(slot)
			continue
		}
		n.link.mend()
	}
	w.market.halt()
	w.trace.add("world", "healed")
	if !w.settle("everything is processed", recoveryTime) {
		return false
	}
	// The next end of a bar of the longest interval, and the watermark's delay.
	time.Sleep(time.Until(time.Now().Truncate(barTime).Add(barTime + time.Second)))
	w.market.bell()
	return w.settle("the last bars are closed", recoveryTime)
}

// settle waits until nothing is left to do.
func (w *world) settle(what string, limit time.Duration) bool {
	began, waited := time.Now(), false
	for {
		why := w.unsettled()
		if why == "" {
			w.trace.add("world", what, "after", time.Since(began))
			// Counters are reported by a tick, and the group may have something
			// to say about a member that is gone.
			time.Sleep(300 * time.Millisecond)
			if why = w.unsettled(); why == "" {
				return true
			}
		}
		if time.Since(began) > limit && !waited && w.groupState() != "Stable" {
			w.exorcise()
			began, waited = time.Now(), true
		}
		if time.Since(began) > limit {
			w.t.Errorf("%s behind the last fault this is not so: %s: %s\n%s", limit, what, why, w.statuses())
			return false
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// exorcise restarts everything because the brokers' model waits for a member that
// is not there: it counts one that goes while it waits in SyncGroup as one that
// was joining, so that it is never told that all have joined. Only the rebalance
// timeout ends that, and every member that joins again puts it off. A real
// coordinator has no such count.
func (w *world) exorcise() {
	w.trace.add("world", "the group waits for a ghost", "status", w.statuses())
	w.tally.hit("ghosts in the group, all nodes restarted", 1)
	for slot, n := range w.slots {
		n.stop()
		if err := <-n.stopped; err != nil {
			w.t.Error(err)
		}
		n.stopped <- nil
		w.slots[slot] = nil
	}
	time.Sleep(ghostTime)
	for slot := range w.slots {
		w.up(slot)
	}
}

func (w *world) groupState() string {
	if g := w.fake.GroupInfo(group); g != nil {
		return g.State
	}
	return ""
}

// statuses is what the nodes and the group say of themselves.
func (w *world) statuses() string {
	var b strings.Builder
	for _, n := range w.live() {
		fmt.Fprintf(&b, "%s: %+v\n", n.name, n.engine.Status())
	}
	if g := w.fake.GroupInfo(group); g != nil {
		fmt.Fprintf(&b, "group %s, generation %d\n", g.State, g.Epoch)
		for _, m := range g.Members {
			fmt.Fprintf(&b, "  %s %s %v\n", *m.InstanceID, m.MemberID, m.Assignment)
		}
	}
	return b.String()
}

// unsettled says what is left to do, "" if nothing is.
func (w *world) unsettled() string {
	commits := map[int32]int64{}
	if g := w.fake.GroupInfo(group); g != nil {
		for p, c := range g.Commits[inputTopic] {
			commits[p] = c.Offset
		}
	}
	for p := range w.plan.partitions {
		n, s := w.owner(p)
		end := w.market.end(p)
		switch {
		case n == nil:
			return fmt.Sprintf("partition %d has no owner (%+v)", p, s)
		case s.Next != end || s.Lag != 0:
			return fmt.Sprintf("partition %d stands at %d with lag %d, it ends at %d", p, s.Next, s.Lag, end)
		case commits[p] != end:
			return fmt.Sprintf("the group stands at %d of partition %d, it ends at %d", commits[p], p, end)
		}
	}
	return w.openTransaction()
}

// owner is the one node that runs p.
func (w *world) owner(p int32) (*node, pipeline.PartitionStatus) {
	var owner *node
	var status pipeline.PartitionStatus
	for _, n := range w.live() {
		ps := n.engine.Status().Partitions
		if int(p) >= len(ps) || ps[p].State == pipeline.StateUnassigned {
			continue
		}
		if ps[p].State != pipeline.StateRunning || owner != nil {
			return nil, ps[p]
		}
		owner, status = n, ps[p]
	}
	return owner, status
}

// openTransaction names a partition whose readers are held back.
func (w *world) openTransaction() string {
	for _, topic := range append(outputTopics(), inputTopic) {
		for _, info := range w.fake.PartitionInfos(topic) {
			if info.LastStableOffset != info.HighWatermark {
				return fmt.Sprintf("a transaction holds back %s[%d] at %d of %d", topic, info.Partition, info.LastStableOffset, info.HighWatermark)
			}
		}
	}
	return ""
}

func outputTopics() []string { return []string{"klines", "late", "dlq", "state", "journal"} }

// ends asks where every partition of topic ends.
func (w *world) ends(adm *kadm.Client, topic string) map[int32]int64 {
	ends, err := adm.ListEndOffsets(context.Background(), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		w.t.Fatalf("asking for the ends of %s: %v", topic, err)
	}
	at := map[int32]int64{}
	for p, e := range ends[topic] {
		at[p] = e.Offset
	}
	return at
}
