//go:build synctests

package sim

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

func TestFault_A04_TheReplyOfACommitIsLost(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.Produce} {
		for _, x := range []loss{{key: key}, {key: key, reply: true}} {
			t.Run(x.String(), func(t *testing.T) {
				directed(t, transactions(2), func(w *world) {
					for range 5 {
						w.slots[0].link.lose(x)
						time.Sleep(2 * time.Second)
					}
					w.want(x.String())
				})
			})
		}
	}
}

func TestFault_A04_TheReplyOfADecisionIsLost(t *testing.T) {
	for _, x := range []loss{{key: kmsg.Produce}, {key: kmsg.Produce, reply: true}, {key: kmsg.OffsetCommit, reply: true}} {
		t.Run(x.String(), func(t *testing.T) {
			directed(t, oneNode(), func(w *world) {
				for range 8 {
					w.slots[0].link.lose(x)
					time.Sleep(1500 * time.Millisecond)
				}
				w.want(x.String())
			})
		})
	}
}

func TestFault_A06_NodesAreKilledAgainAndAgain(t *testing.T) {
	inBoth(t, func(w *world) {
		for i := range 12 {
			slot := i % len(w.slots)
			if !w.stable() {
				continue
			}
			w.slots[slot].kill()
			w.tally.hit("kills", 1)
			time.Sleep(time.Duration(i%3) * 400 * time.Millisecond)
			w.up(slot)
			time.Sleep(time.Duration(1+i%4) * time.Second)
		}
		w.want("kills")
	})
}

// A node that hears nothing for longer than its session believes that it owns
// what others have taken.
func TestFault_A08_ANodeComesBackAfterItsSession(t *testing.T) {
	directed(t, transactions(2), func(w *world) {
		if !w.stable() {
			w.t.Fatal("the group is not stable")
		}
		w.slots[0].link.freeze(sessionTimeout + 6*time.Second)
		w.await("the other node takes over", func() bool {
			for p := range w.plan.partitions {
				if w.status(1, p).State != pipeline.StateRunning {
					return false
				}
			}
			return true
		})
		time.Sleep(10 * time.Second)
	})
}

func TestFault_A09_TheCoordinatorDeposesANode(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID} {
		for _, key := range []kmsg.Key{kmsg.Heartbeat, kmsg.TxnOffsetCommit} {
			k := kind{key: key, err: err, when: inTransactions}
			t.Run(k.String(), func(t *testing.T) {
				directed(t, transactions(2), func(w *world) {
					for range 4 {
						w.plant(k, 1)
						time.Sleep(4 * time.Second)
					}
					w.uproot()
					w.want(k.String())
				})
			})
		}
	}
}
