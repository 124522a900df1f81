package kafka

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func transactional(c *ClientConfig, _ *summer) { c.Transactional = true }

func named(node string) func(*ClientConfig, *summer) {
	return func(c *ClientConfig, _ *summer) { c.Transactional, c.Node = true, node }
}

// wantOnce checks the sums of 1..n without any reader rule: each position is
// committed once.
func (b *bed) wantOnce(p int32, n int) {
	b.t.Helper()
	eventually(b.t, "all sums of partition "+strconv.Itoa(int(p)), func() bool {
		sums, _ := b.sums(p)
		return len(sums) >= n
	})
	sums, repeats := b.sums(p)
	total := int64(0)
	for i, v := range sums {
		if total += int64(i + 1); v != total {
			b.t.Fatalf("partition %d: sum %d is %d, want %d", p, i, v, total)
		}
	}
	if len(sums) != n || repeats > 0 {
		b.t.Fatalf("partition %d: %d sums and %d repeats, want %d and none", p, len(sums), repeats, n)
	}
}

func TestTransactionsCommitOutputsAndOffsetsTogether(t *testing.T) {
	b := newBed(t, 3)
	l := b.live(false, transactional)
	for p := range int32(3) {
		b.trades(p, 1, 500)
	}
	for p := range int32(3) {
		b.wantOnce(p, 500)
		eventually(t, "the offset is committed", func() bool { at, _ := b.committed(p); return at == 500 })
	}
	_, meta := b.committed(0)
	if m, ok := DecodeCommitMeta(meta); !ok || m.WM != 7 {
		t.Errorf("beside the offset stands %q", meta)
	}
	l.stop()
	if err := <-l.end; err != nil {
		t.Fatal(err)
	}
}

func TestASuccessorEndsTheOpenTransactionOfItsPredecessor(t *testing.T) {
	b := newBed(t, 1)
	dead, err := kgo.NewClient(kgo.SeedBrokers(b.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID("g-n1"), kgo.TransactionTimeout(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	if err := dead.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"klines", "state"} {
		if err := dead.ProduceSync(b.ctx(), &kgo.Record{Topic: topic, Value: []byte("left open")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.trades(0, 1, 10)
	began := time.Now()
	b.live(false, transactional)
	b.wantOnce(0, 10)
	// It would have been waited for until its end, in ten minutes.
	t.Logf("it took %s", time.Since(began))
	if err := dead.ProduceSync(b.ctx(), &kgo.Record{Topic: "klines", Value: []byte("too late")}).FirstErr(); err == nil {
		t.Error("the predecessor may still write")
	}
}

// TestACommitRefusedByTheGroupPublishesNothing is a node that was deposed and
// does not know it.
func TestACommitRefusedByTheGroupPublishesNothing(t *testing.T) {
	for _, refusal := range []*kerr.Error{kerr.UnknownMemberID, kerr.FencedInstanceID, kerr.InvalidProducerEpoch} {
		t.Run(refusal.Message, func(t *testing.T) {
			b := newBed(t, 1)
			fault := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: refusal, Count: 1})
			b.trades(0, 1, 10)
			first := b.live(false, transactional)
			err := <-first.end
			if !errors.Is(err, ErrEnded) || fault.Hits() == 0 {
				t.Fatalf("the incarnation ended with %v after %d refusals", err, fault.Hits())
			}
			if sums, _ := b.sums(0); len(sums) != 0 {
				t.Fatalf("%d outputs of the refused transaction are visible", len(sums))
			}
			b.live(false, transactional)
			b.wantOnce(0, 10)
		})
	}
}

func TestARebalanceUnderWayIsWaitedFor(t *testing.T) {
	for _, passing := range []*kerr.Error{kerr.RebalanceInProgress, kerr.IllegalGeneration} {
		t.Run(passing.Message, func(t *testing.T) {
			b := newBed(t, 1)
			fault := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: passing, Count: 5})
			b.trades(0, 1, 10)
			b.live(false, transactional)
			b.wantOnce(0, 10)
			if fault.Hits() != 5 {
				t.Errorf("the coordinator refused %d times", fault.Hits())
			}
		})
	}
}

func TestPartitionsMoveBetweenTransactionalNodes(t *testing.T) {
	const partitions = 6
	b := newBed(t, partitions)
	b.live(false, named("n1"))
	stop := make(chan struct{})
	done := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
				for p := range int32(partitions) {
					b.trades(p, n+1, 20)
				}
				n += 20
			}
		}
	}()
	eventually(t, "the first outputs", func() bool { sums, _ := b.sums(0); return len(sums) > 0 })
	second := b.live(false, named("n2"))
	eventually(t, "the second node has partitions", func() bool {
		second.mu.Lock()
		defer second.mu.Unlock()
		return len(second.workers) > 0
	})
	third := b.live(false, named("n3"))
	eventually(t, "the third node has partitions", func() bool {
		third.mu.Lock()
		defer third.mu.Unlock()
		return len(third.workers) > 0
	})
	// A restart: a static member's partitions wait for it.
	second.stop()
	<-second.end
	b.live(false, named("n2"))
	close(stop)
	n := <-done
	for p := range int32(partitions) {
		b.wantOnce(p, n)
	}
	if third.assigned == 0 {
		t.Error("nothing moved")
	}
}

// TestAMarkSaysHowFarEverythingIsPublished: between two snapshots the state topic says how
// far everything is published.
func TestAMarkSaysHowFarEverythingIsPublished(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(false, transactional)
	c := l.c
	eventually(t, "the partition is held", func() bool { return c.partition(0) != nil })
	publish := func(u *Unit) {
		t.Helper()
		u.P = 0
		if err := c.Publish(b.ctx(), u); err != nil {
			t.Fatal(err)
		}
	}
	out := []Out{{Topic: Klines, Key: []byte("k"), Value: []byte("1"), Timestamp: 1}}
	publish(&Unit{To: 0, Checkpoint: &Checkpoint{From: -1, To: 0, Body: []byte("empty")}})
	publish(&Unit{To: 5, Outs: out})
	publish(&Unit{To: -1, Outs: out})
	publish(&Unit{To: 7, Outs: out, Decisions: []JournalRecord{{At: 7, N: 1, Body: []byte("d")}}})
	c.txn.settle(b.ctx(), []int32{0})
	cp, err := c.LoadCheckpoint(b.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if string(cp.Body) != "empty" || cp.To != 0 {
		t.Errorf("restored from %+v", cp)
	}
	_, end, err := Bounds(b.ctx(), b.at, "journal", 0)
	if err != nil {
		t.Fatal(err)
	}
	if cp.Published.To != 7 || cp.Published.JN == 0 || cp.Published.JN > end {
		t.Errorf("published is %+v, the journal ends at %d", cp.Published, end)
	}
}

func TestBrokersWithoutTransactionsAreRefusedByName(t *testing.T) {
	b := newBed(t, 1)
	b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.TransactionalIDAuthorizationFailed})
	l := b.live(false, transactional)
	if err := <-l.end; !errors.Is(err, ErrNoTransactions) {
		t.Fatalf("ended with %v", err)
	}
}

// TestAJournalQuietForLongerThanItsRetentionIsNotLost: a checkpoint names the offset
// behind the last decision, where the marker of its transaction stands. Retention
// takes that marker with the rest.
func TestAJournalQuietForLongerThanItsRetentionIsNotLost(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 7)
	l := b.live(false, transactional)
	b.wantOnce(0, 7)
	c := l.c
	u := &Unit{P: 0, To: 7, Decisions: []JournalRecord{{At: 7, N: 1, Body: []byte("d")}}, Checkpoint: &Checkpoint{From: 7, To: 7, Body: make([]byte, 16)}}
	if err := c.Publish(b.ctx(), u); err != nil {
		t.Fatal(err)
	}
	c.txn.settle(b.ctx(), []int32{0})
	l.stop()
	if err := <-l.end; err != nil {
		t.Fatal(err)
	}
	_, end, err := Bounds(b.ctx(), b.at, "journal", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.fake.DeleteRecords("journal", 0, end); err != nil {
		t.Fatal(err)
	}
	next := b.live(false, transactional).c
	eventually(t, "the partition is held again", func() bool { return next.partition(0) != nil })
	cp, err := next.LoadCheckpoint(b.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if cp.JN >= end {
		t.Fatalf("the checkpoint names %d, the journal ended at %d: no marker is behind it", cp.JN, end)
	}
	tail, err := next.OpenJournal(b.ctx(), 0, JournalOpen{From: cp.JN, LastN: 1, Published: cp.Published.JN})
	if err != nil || len(tail.Pending) > 0 || tail.End != end {
		t.Errorf("%+v, %v: want nothing pending and the end %d", tail, err, end)
	}
	// A decision that was published behind the snapshot, and is gone, is a loss.
	if _, err := next.OpenJournal(b.ctx(), 0, JournalOpen{From: cp.JN - 1, Published: cp.Published.JN}); !errors.Is(err, ErrJournalLost) {
		t.Errorf("a lost decision: %v", err)
	}
}
