package kafka

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A node that the group has put out, and that has not heard of it, is refused by the coordinator: with its offset goes all of its transaction.
func TestFault_A09_ADeposedMemberPublishesNothing(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(false, named("n1"))
	c := l.c
	eventually(t, "the partition is held", func() bool { return c.partition(0) != nil })
	// It would hear of it at its next heartbeat, which may come before the commit.
	b.fake.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		return req.ResponseKind(), nil, true
	})
	left, err := b.adm.LeaveGroup(b.ctx(), kadm.LeaveGroup("g").InstanceIDs("n1"))
	if err != nil || left.Error() != nil {
		t.Fatalf("putting the member out: %v, %v", err, left.Error())
	}
	unit := &Unit{P: 0, To: 0, Outs: []Out{{Topic: Klines, Key: []byte("k"), Value: []byte("1"), Timestamp: 1}}}
	if err := c.Publish(b.ctx(), unit); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-l.end:
		if !errors.Is(err, kerr.UnknownMemberID) && !errors.Is(err, kerr.FencedInstanceID) {
			t.Errorf("the incarnation ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the incarnation of a deposed member goes on")
	}
	if recs := b.read("klines", 0); len(recs) != 0 {
		t.Errorf("a deposed member has published %d records", len(recs))
	}
}

// A decision stands in the transaction of what it causes: refused together.
func TestFault_A02_ADecisionOfARefusedTransactionIsNotThere(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(false, transactional)
	c := l.c
	eventually(t, "the partition is held", func() bool { return c.partition(0) != nil })
	b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.TxnOffsetCommit}, Err: kerr.UnknownMemberID, Count: 1})
	unit := &Unit{
		P: 0, To: 0, Decisions: []JournalRecord{{At: 0, N: 1, Body: []byte("close")}},
		Outs: []Out{{Topic: Klines, Key: []byte("k"), Value: []byte("1"), Timestamp: 1}},
	}
	if err := c.Publish(b.ctx(), unit); err != nil {
		t.Fatal(err)
	}
	if err := <-l.end; !errors.Is(err, kerr.UnknownMemberID) {
		t.Fatalf("the incarnation ended with %v", err)
	}
	for _, topic := range []string{"klines", "journal"} {
		if recs := b.read(topic, 0); len(recs) != 0 {
			t.Errorf("%d records of the refused transaction stand on %s", len(recs), topic)
		}
	}
}

// The marker of a transaction may reach the topic state later than the offset of the input: whoever restores then waits for it, or he would go on
// behind records whose state he has not.
func TestFault_B06_ARestoreWaitsForAnOpenTransactionOnState(t *testing.T) {
	b := newBed(t, 1)
	old, fresh := noise(50), noise(60)
	b.save(b.client(-1), 5, old)
	source := newBed(t, 1)
	source.layout.InputTopicID = b.layout.InputTopicID // what it writes is restored here
	source.save(source.client(-1), 9, fresh)
	rec := source.read("state", 0)[0]

	open, err := kgo.NewClient(kgo.SeedBrokers(b.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := open.ProduceSync(b.ctx(), &kgo.Record{Topic: "state", Value: rec.Value, Headers: rec.Headers}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { ended <- open.EndTransaction(b.ctx(), kgo.TryCommit) })
	b.wantCheckpoint(b.client(5), 9, fresh)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// What a checkpoint contains is on the topics before it is: the other way round a kill in between would lose outputs for ever.
func TestFault_A03_NoCheckpointBeforeItsOutputs(t *testing.T) {
	b := newBed(t, 1)
	h := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "klines", Err: kerr.MessageTooLarge, Count: 1})
	l := b.live(true)
	b.trades(0, 1, 10)
	<-l.end
	if h.Hits() == 0 {
		t.Fatal("the fault was not hit")
	}
	if recs := b.read("state", 0); len(recs) != 0 {
		t.Errorf("%d checkpoints stand behind outputs that were refused", len(recs))
	}
	if at, _ := b.committed(0); at > 0 {
		t.Errorf("the offset %d is committed without its outputs", at)
	}
}
