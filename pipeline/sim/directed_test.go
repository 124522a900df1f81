//go:build synctests

package sim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

// directed runs one scenario of the fault matrix: nodes trade, script breaks
// something, and behind it everything has to be as behind any seed.
func directed(t *testing.T, p plan, script func(w *world)) {
	t.Helper()
	scenario(t, p, func(w *world) {
		w.begin()
		script(w)
		if w.heal() {
			w.check()
		}
	})
}

// scenario gives script a world that it has to start and check by itself.
func scenario(t *testing.T, p plan, script func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, p, newTally())
		script(w)
		w.close()
		if t.Failed() {
			t.Logf("what happened last:\n%s", w.trace)
		}
	})
}

// begin starts nodes and market and waits until bars are published.
func (w *world) begin() {
	for slot := range w.slots {
		w.up(slot)
	}
	w.market.open()
	time.Sleep(5 * time.Second)
}

// want fails the test unless what was counted.
func (w *world) want(what string) {
	w.t.Helper()
	if w.tally.count(what) == 0 {
		w.t.Errorf("there was no %s", what)
	}
}

// await waits up to a minute for something to be so.
func (w *world) await(what string, ok func() bool) {
	w.t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.t.Errorf("waited a minute of virtual time for %s\n%s", what, w.statuses())
}

// status is what the node of a slot says about p.
func (w *world) status(slot int, p int32) pipeline.PartitionStatus {
	if ps := w.slots[slot].engine.Status().Partitions; int(p) < len(ps) {
		return ps[p]
	}
	return pipeline.PartitionStatus{}
}

func transactions(nodes int) plan { return plan{brokers: 3, partitions: 4, nodes: nodes} }

func oneNode() plan { return plan{idempotent: true, brokers: 3, partitions: 2, nodes: 1} }

// inBoth runs a scenario with either delivery.
func inBoth(t *testing.T, script func(w *world)) {
	t.Helper()
	t.Run("transactional", func(t *testing.T) { directed(t, transactions(2), script) })
	t.Run("idempotent", func(t *testing.T) { directed(t, oneNode(), script) })
}
