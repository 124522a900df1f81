package kafka

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func ofGroup(group string, transactional bool) func(*ClientConfig, *summer) {
	return func(c *ClientConfig, _ *summer) { c.Group, c.Transactional = group, transactional }
}

// persistent is an engine: whenever its incarnation ends, it begins the next one.
type persistent struct {
	shared atomic.Int32 // incarnations that another group ended
	stop   chan struct{}
	done   chan struct{}
}

func (b *bed) persist(group string) *persistent {
	e := &persistent{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(e.done)
		for {
			l := b.live(false, ofGroup(group, true))
			select {
			case err := <-l.end:
				if errors.Is(err, ErrShared) {
					e.shared.Add(1)
				}
			case <-e.stop:
				l.stop()
				<-l.end
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	b.t.Cleanup(func() { close(e.stop); <-e.done })
	return e
}

// Two groups whose output_prefix is the same, by mistake: brokers take the transactions of both.
func TestTwoGroupsThatBeginTogetherPublishOnce(t *testing.T) {
	for range 5 {
		b := newBed(t, 2)
		one, two := b.persist("g"), b.persist("h")
		for i := range 40 {
			b.trades(0, 1+5*i, 5)
			b.trades(1, 1+5*i, 5)
			time.Sleep(10 * time.Millisecond)
		}
		b.wantOnce(0, 200)
		b.wantOnce(1, 200)
		eventually(t, "one is told of the other", func() bool { return one.shared.Load()+two.shared.Load() > 0 })
	}
}

// Each may have won a partition: they must not wait for each other.
func TestOfTwoGroupsThatHoldAPartitionEachOneGoesOn(t *testing.T) {
	b := newBed(t, 2)
	for p, group := range []string{"h", "g"} {
		old := b.client(-1)
		old.cfg.Group = group
		if _, err := old.writeCheckpoint(int32(p), &Checkpoint{JN: -1, Cfg: "c", Body: make([]byte, 16)}); err != nil {
			t.Fatal(err)
		}
	}
	one, two := b.persist("g"), b.persist("h")
	b.trades(0, 1, 50)
	b.trades(1, 1, 50)
	b.wantOnce(0, 50)
	b.wantOnce(1, 50)
	eventually(t, "the other one waits", func() bool { return one.shared.Load() > 1 })
	if n := two.shared.Load(); n > 1 {
		t.Errorf("the group of the first partition was ended %d times", n)
	}
}

func TestAGroupWaitsForTheOneThatIsAtWork(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 10)
	first := b.live(false, ofGroup("g", true))
	b.wantOnce(0, 10)
	for range 2 {
		second := b.live(false, ofGroup("h", true))
		err := second.ended(t)
		if !errors.Is(err, ErrShared) || !strings.Contains(err.Error(), `written last by group "g"`) {
			t.Fatalf("the second group ended with %v", err)
		}
		if second.failure(0) != nil {
			t.Fatal("the partition failed for good")
		}
	}
	b.trades(0, 11, 10)
	b.wantOnce(0, 20)
	first.stop()
	if err := <-first.end; err != nil {
		t.Fatalf("the first group was disturbed: %v", err)
	}
	// As a group that gets another name: the old members leave, or their session ends.
	if _, err := b.adm.LeaveGroup(b.ctx(), kadm.LeaveGroup("g").InstanceIDs("n1")); err != nil {
		t.Fatal(err)
	}
	b.trades(0, 21, 10)
	b.live(false, ofGroup("h", true))
	b.wantOnce(0, 30)
}

// Without transactions what is written stands there; the group that sees the other ends.
func TestTwoGroupsWithoutTransactionsAreToldOfEachOther(t *testing.T) {
	b := newBed(t, 1)
	one, two := b.live(false, ofGroup("g", false)), b.live(false, ofGroup("h", false))
	eventually(t, "both hold the partition", func() bool { return one.c.partition(0) != nil && two.c.partition(0) != nil })
	for i := range 200 {
		b.trades(0, 1+i, 1)
		select {
		case err := <-one.end:
			wantShared(t, err)
			return
		case err := <-two.end:
			wantShared(t, err)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("two groups write the same topics and neither says so")
}

func (l *life) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-l.end:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the incarnation goes on")
		return nil
	}
}

func wantShared(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrShared) {
		t.Errorf("ended with %v", err)
	}
}

func TestAUserWhoMayNotAskForTheOtherGroupIsToldTheRight(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 10)
	first := b.live(false, ofGroup("g", true))
	b.wantOnce(0, 10)
	first.stop()
	<-first.end
	b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.GroupAuthorizationFailed, Count: 1})
	second := b.live(false, ofGroup("h", true))
	err := second.ended(t)
	if err == nil || !strings.Contains(err.Error(), "the right Describe") || !IsTransient(err) {
		t.Errorf("ended with %v", err)
	}
}

// A look costs a connection: alone, nobody takes one.
func TestAGroupThatIsAloneLooksForNobody(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(false, ofGroup("g", true))
	eventually(t, "the partition is held", func() bool { return l.c.partition(0) != nil })
	b.trades(0, 1, 1)
	b.wantOnce(0, 1)
	var asked atomic.Int32
	b.fake.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		for _, topic := range req.(*kmsg.ListOffsetsRequest).Topics {
			if topic.Topic == b.topics.Name(State) {
				asked.Add(1)
			}
		}
		return nil, nil, false
	})
	for i := range 20 {
		b.trades(0, 2+i, 1)
		time.Sleep(60 * time.Millisecond) // a transaction each
	}
	b.wantOnce(0, 21)
	if n := asked.Load(); n > 0 {
		t.Errorf("it looked %d times at what nobody wrote", n)
	}
}
