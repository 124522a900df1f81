//go:build synctests

package sim

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

func TestFault_B02_AllBrokersAreAwayForAnHour(t *testing.T) {
	inBoth(t, func(w *world) {
		for _, n := range w.live() {
			n.link.cut()
		}
		time.Sleep(time.Hour)
		for _, n := range w.live() {
			n.link.mend()
		}
		began := time.Now()
		w.await("a node works again", func() bool {
			for _, n := range w.live() {
				for _, p := range n.engine.Status().Partitions {
					if p.State == pipeline.StateRunning {
						return true
					}
				}
			}
			return false
		})
		if took := time.Since(began); took > 12*time.Second {
			w.t.Errorf("it took %s to go on", took)
		}
	})
}

func TestFault_B03_LeadersMoveEverySecond(t *testing.T) {
	inBoth(t, func(w *world) {
		for range 30 {
			w.fake.ShufflePartitionLeaders()
			time.Sleep(time.Second)
		}
		for _, n := range w.ran {
			for p := range w.plan.partitions {
				if c := n.watch.of(p); c.Rewinds > 0 {
					w.t.Errorf("node %s was given %d records of partition %d a second time", n.name, c.Rewinds, p)
				}
			}
		}
	})
}

func TestFault_B04_CoordinatorsMoveAndLoad(t *testing.T) {
	inBoth(t, func(w *world) {
		key := kmsg.TxnOffsetCommit
		if w.plan.idempotent {
			key = kmsg.OffsetCommit
		}
		k := kind{key: key, err: kerr.CoordinatorLoadInProgress}
		for range 20 {
			w.fake.RehashCoordinators()
			w.plant(k, 2)
			time.Sleep(time.Second)
		}
		w.uproot()
		w.want(k.String())
	})
}

func TestFault_B05_ACommitIsAppliedAndAnsweredWithATimeout(t *testing.T) {
	inBoth(t, func(w *world) {
		k := kind{key: kmsg.TxnOffsetCommit, err: kerr.RequestTimedOut}
		if w.plan.idempotent {
			k.key = kmsg.OffsetCommit
		}
		for range 5 {
			w.plant(k, 1)
			time.Sleep(3 * time.Second)
		}
		w.uproot()
		w.want(k.String())
	})
}

func TestFault_B06_NodesComeAndGo(t *testing.T) {
	directed(t, transactions(4), func(w *world) {
		for i := range 16 {
			slot := 1 + i%3
			if n := w.slots[slot]; n != nil {
				n.stop()
				if err := <-n.stopped; err != nil {
					w.t.Error(err)
				}
				n.stopped <- nil
				w.slots[slot] = nil
			} else {
				w.up(slot)
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
}

// lone stops the only node when everything is processed.
func (w *world) lone() {
	w.market.halt()
	w.settle("everything is processed", recoveryTime)
	w.downAll()
}

func (w *world) downAll() {
	for slot, n := range w.slots {
		n.stop()
		if err := <-n.stopped; err != nil {
			w.t.Error(err)
		}
		n.stopped <- nil
		w.slots[slot] = nil
	}
}

// wantFailed waits until p failed with words, and another partition did not.
func (w *world) wantFailed(p int32, words string) {
	w.t.Helper()
	w.await("partition failed", func() bool {
		return w.status(0, p).State == pipeline.StateFailed
	})
	if got := w.status(0, p).Error; !strings.Contains(got, words) {
		w.t.Errorf("partition %d failed with %q, want something of %q", p, got, words)
	}
}

func TestFault_B07_RetentionAteUnreadTrades(t *testing.T) {
	for name, p := range map[string]plan{"transactional": {brokers: 1, partitions: 2, nodes: 1}, "idempotent": oneNode()} {
		t.Run(name, func(t *testing.T) {
			scenario(t, p, func(w *world) {
				w.begin()
				w.lone()
				w.market.bell() // three records that nobody reads
				end := w.market.end(0)
				if err := w.fake.DeleteRecords(inputTopic, 0, end-1); err != nil {
					t.Fatal(err)
				}
				w.up(0)
				w.wantFailed(0, "input lost")
				w.await("the other partition goes on", func() bool {
					return w.status(0, 1).Next == w.market.end(1)
				})
			})
		})
	}
}

func TestFault_B09_TheInputIsCreatedAgain(t *testing.T) {
	for name, p := range map[string]plan{"transactional": {brokers: 1, partitions: 2, nodes: 1}, "idempotent": {idempotent: true, brokers: 1, partitions: 2, nodes: 1}} {
		t.Run(name, func(t *testing.T) {
			scenario(t, p, func(w *world) {
				w.begin()
				w.market.halt()
				w.settle("everything is processed", recoveryTime)
				before := w.readAll()["klines"]
				if err := w.fake.DeleteTopic(inputTopic); err != nil {
					t.Fatal(err)
				}
				if err := w.fake.CreateTopic(inputTopic, p.partitions, nil); err != nil {
					t.Fatal(err)
				}
				w.wantFailed(0, "input lost")
				w.wantFailed(1, "input lost")
				for q, recs := range w.readAll()["klines"] {
					if len(recs) < len(before[q]) {
						t.Errorf("partition %d: %d klines were %d before", q, len(recs), len(before[q]))
					}
				}
			})
		})
	}
}

func TestFault_B10_TheInputGetsMorePartitions(t *testing.T) {
	scenario(t, plan{brokers: 1, partitions: 2, nodes: 1}, func(w *world) {
		w.begin()
		cl := w.client()
		defer cl.Close()
		resp, err := kadm.NewClient(cl).CreatePartitions(context.Background(), 1, inputTopic)
		if err != nil || resp.Error() != nil {
			t.Fatal(err, resp.Error())
		}
		time.Sleep(5 * time.Minute) // the age at which the client asks for metadata again
		w.await("the alarm", func() bool { return w.tally.count("failed partitions") > 0 })
		time.Sleep(20 * time.Second)
		if w.heal() {
			w.check()
		}
	})
}

// Whoever adds partitions to the topics of the node as well makes them fit again, and
// symbols move: the next start takes none of them.
func TestFault_B10_AllTopicsGetMorePartitions(t *testing.T) {
	for name, p := range map[string]plan{"transactional": {brokers: 1, partitions: 2, nodes: 1}, "idempotent": {idempotent: true, brokers: 1, partitions: 2, nodes: 1}} {
		t.Run(name, func(t *testing.T) {
			scenario(t, p, func(w *world) {
				w.begin()
				w.lone()
				cl := w.client()
				defer cl.Close()
				adm := kadm.NewClient(cl)
				topics, err := adm.ListTopics(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				resp, err := adm.CreatePartitions(context.Background(), 1, topics.Names()...)
				if err != nil || resp.Error() != nil {
					t.Fatal(err, resp.Error())
				}
				before := w.readAll()["klines"]
				w.up(0)
				for p := range int32(3) {
					w.wantFailed(p, "the state is of 2 partitions")
				}
				for q, recs := range w.readAll()["klines"] {
					if len(recs) != len(before[q]) {
						t.Errorf("partition %d: %d klines were %d before", q, len(recs), len(before[q]))
					}
				}
			})
		})
	}
}

func TestFault_B11_TheOffsetsOfTheGroupAreGone(t *testing.T) {
	for name, p := range map[string]plan{"transactional": {brokers: 1, partitions: 2, nodes: 1}, "idempotent": {idempotent: true, brokers: 1, partitions: 2, nodes: 1}} {
		t.Run(name, func(t *testing.T) {
			directed(t, p, func(w *world) {
				w.downAll()
				time.Sleep(2 * sessionTimeout) // a static member stays for its session
				cl := w.client()
				defer cl.Close()
				gone, err := kadm.NewClient(cl).DeleteGroups(context.Background(), group)
				if err != nil || gone[group].Err != nil {
					t.Fatal(err, gone[group].Err)
				}
				w.up(0)
				time.Sleep(5 * time.Second)
			})
		})
	}
}

func TestFault_B12_TheBrokerThrottles(t *testing.T) {
	inBoth(t, func(w *world) {
		if !w.stable() {
			w.t.Fatal("the group is not stable")
		}
		generation := w.fake.GroupInfo(group).Epoch
		for _, n := range w.live() {
			n.link.throttleFetches(700 * time.Millisecond)
		}
		time.Sleep(30 * time.Second)
		w.want("throttled fetches")
		if got := w.fake.GroupInfo(group).Epoch; got != generation {
			w.t.Errorf("the group went from generation %d to %d", generation, got)
		}
	})
}

func TestFault_B15_TheOutputTopicRefuses(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.MessageTooLarge, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend} {
		k := kind{key: kmsg.Produce, err: err, outputs: true}
		t.Run(err.Message, func(t *testing.T) {
			inBoth(t, func(w *world) {
				for range 8 {
					w.plant(k, 1)
					time.Sleep(2 * time.Second)
				}
				w.uproot()
				w.want(k.String())
			})
		})
	}
}

func TestFault_B16_ANewGroupStartsAtTheBeginning(t *testing.T) {
	for name, p := range map[string]plan{"transactional": transactions(2), "idempotent": oneNode()} {
		t.Run(name, func(t *testing.T) {
			scenario(t, p, func(w *world) {
				w.market.open()
				time.Sleep(5 * time.Second)
				for slot := range w.slots {
					w.up(slot)
				}
				time.Sleep(5 * time.Second)
				if w.heal() {
					w.check()
				}
			})
		})
	}
}

func TestFault_B17_TradesInTransactionsThatAreAborted(t *testing.T) {
	inBoth(t, func(w *world) {
		w.market.always(true)
		time.Sleep(20 * time.Second)
		w.market.always(false)
		w.want("market: aborted transactions")
		holes := int64(0)
		for _, n := range w.live() {
			for p := range w.plan.partitions {
				holes = max(holes, n.watch.of(p).Holes)
			}
		}
		if holes == 0 {
			w.t.Error("no hole was counted")
		}
	})
}
