//go:build synctests

package sim

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// delivery says in which of the modes a request is sent.
type delivery uint8

const (
	always delivery = iota
	inTransactions
	inOldTransactions // the group is added by a request of its own
	withoutTransactions
)

// kind is an error that brokers answer one request with.
type kind struct {
	key  kmsg.Key
	err  *kerr.Error
	when delivery
	// outputs alone: the same error would hit whoever writes the trades.
	outputs bool
}

func (k kind) String() string { return fmt.Sprintf("%s: %s", k.key.Name(), k.err.Message) }

// kinds are all errors that a seed may plant: for every request that a node
// sends, what a broker answers in passing, what tells a node that it was
// deposed, and REQUEST_TIMED_OUT, which is answered after the work was done.
func kinds() []kind {
	moved := []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError}
	coordinator := []*kerr.Error{kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable}
	deposed := []*kerr.Error{kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.FencedInstanceID}
	var all []kind
	add := func(when delivery, key kmsg.Key, lists ...[]*kerr.Error) {
		for _, list := range lists {
			for _, err := range list {
				all = append(all, kind{key: key, err: err, when: when, outputs: key == kmsg.Produce})
			}
		}
	}
	is := func(errs ...*kerr.Error) []*kerr.Error { return errs }
	add(always, kmsg.Produce, moved, is(kerr.RequestTimedOut, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend,
		kerr.MessageTooLarge, kerr.UnknownServerError, kerr.UnknownTopicOrPartition))
	add(inTransactions, kmsg.Produce, is(kerr.InvalidProducerEpoch, kerr.ProducerFenced))
	add(always, kmsg.Fetch, moved, is(kerr.UnknownLeaderEpoch, kerr.FencedLeaderEpoch, kerr.UnknownServerError,
		kerr.UnknownTopicOrPartition, kerr.OffsetNotAvailable, kerr.ReplicaNotAvailable))
	add(always, kmsg.Metadata, is(kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition))
	add(always, kmsg.ListOffsets, moved, is(kerr.LeaderNotAvailable, kerr.OffsetNotAvailable, kerr.UnknownServerError))
	add(always, kmsg.OffsetForLeaderEpoch, moved, is(kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch))
	add(always, kmsg.FindCoordinator, is(kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress))
	add(always, kmsg.JoinGroup, coordinator, is(kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.FencedInstanceID))
	add(always, kmsg.SyncGroup, coordinator, deposed, is(kerr.RebalanceInProgress))
	add(always, kmsg.Heartbeat, coordinator, deposed, is(kerr.RebalanceInProgress))
	add(always, kmsg.OffsetFetch, coordinator, is(kerr.UnstableOffsetCommit))
	add(withoutTransactions, kmsg.OffsetCommit, coordinator, deposed, is(kerr.RequestTimedOut, kerr.RebalanceInProgress))
	add(always, kmsg.InitProducerID, is(kerr.NotCoordinator, kerr.CoordinatorLoadInProgress))
	add(inTransactions, kmsg.InitProducerID, is(kerr.ConcurrentTransactions, kerr.ProducerFenced))
	add(inTransactions, kmsg.TxnOffsetCommit, coordinator, deposed,
		is(kerr.RequestTimedOut, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.UnknownTopicOrPartition))
	add(inTransactions, kmsg.EndTxn, coordinator, is(kerr.ConcurrentTransactions, kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidTxnState))
	add(inOldTransactions, kmsg.AddOffsetsToTxn, coordinator, is(kerr.ConcurrentTransactions, kerr.InvalidProducerEpoch))
	add(inOldTransactions, kmsg.AddPartitionsToTxn, coordinator, is(kerr.ConcurrentTransactions, kerr.InvalidProducerEpoch))
	add(always, kmsg.CreateTopics, is(kerr.RequestTimedOut, kerr.NotController))
	add(always, kmsg.DescribeConfigs, is(kerr.UnknownServerError))
	add(withoutTransactions, kmsg.DescribeGroups, coordinator)
	return all
}

// losses are the exchanges that a network may lose.
func losses() []loss {
	var all []loss
	for _, key := range []kmsg.Key{
		kmsg.Produce, kmsg.TxnOffsetCommit, kmsg.EndTxn, kmsg.OffsetCommit, kmsg.Fetch, kmsg.JoinGroup, kmsg.SyncGroup,
		kmsg.Heartbeat, kmsg.OffsetFetch, kmsg.ListOffsets, kmsg.InitProducerID,
	} {
		all = append(all, loss{key: key}, loss{key: key, reply: true})
	}
	return all
}

// mayHit tells whether a request is sent at all under p.
func (k kind) mayHit(p plan) bool { return k.when.in(p) }

func (d delivery) in(p plan) bool {
	switch d {
	case inTransactions:
		return !p.idempotent
	case inOldTransactions:
		return !p.idempotent && p.old
	case withoutTransactions:
		return p.idempotent
	}
	return true
}

// planted is a fault that the brokers hold.
type planted struct {
	kind   kind
	handle *kfake.FaultHandle
}

// plant lets the next few requests of k's kind fail.
func (w *world) plant(k kind, count int) *kfake.FaultHandle {
	f := kfake.Fault{Keys: []kmsg.Key{k.key}, Err: k.err, Count: count}
	if k.outputs {
		f.Topic = []string{"klines", "state", "journal", "late", "dlq"}[w.rng.IntN(5)]
		if w.rng.IntN(2) == 0 {
			f.Topic = "klines"
		}
	}
	switch k.key {
	case kmsg.FindCoordinator:
		f.When = func(r kmsg.Request) bool {
			q, ok := r.(*kmsg.FindCoordinatorRequest)
			return !ok || q.CoordinatorKey != marketTxn && !slices.Contains(q.CoordinatorKeys, marketTxn)
		}
	case kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn, kmsg.AddPartitionsToTxn, kmsg.InitProducerID:
		// Not the producers of whoever writes trades.
		if w.plan.idempotent {
			f.When = func(r kmsg.Request) bool {
				q, ok := r.(*kmsg.InitProducerIDRequest)
				return !ok || q.TransactionalID == nil
			}
		} else {
			f.TxnID = group + "-" + nodeName(w.rng.IntN(w.plan.nodes))
		}
	}
	w.trace.add("fault", k.String(), "count", count, "topic", f.Topic)
	h := w.fake.Fault(f)
	w.planted = append(w.planted, planted{kind: k, handle: h})
	return h
}

// uproot removes all faults and counts how often they were met.
func (w *world) uproot() {
	for _, p := range w.planted {
		p.handle.Remove()
		w.tally.hit(p.kind.String(), p.handle.Hits())
	}
	w.planted = nil
}
