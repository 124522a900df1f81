package kafka

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func modes(t *testing.T, f func(t *testing.T, direct bool)) {
	t.Run("group", func(t *testing.T) { f(t, false) })
	t.Run("direct", func(t *testing.T) { f(t, true) })
}

// Each of the two hides what happens without the other, and the restore that
// names every position hides both.
func TestBothStartOptionsAreSet(t *testing.T) {
	cl, err := kgo.NewClient(consumerOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if got := cl.OptValue(kgo.ConsumeStartOffset); got != kgo.NewOffset().AtStart() {
		t.Errorf("a new group starts at %v", got)
	}
	if got := cl.OptValue(kgo.ConsumeResetOffset); got != kgo.NoResetOffset() {
		t.Errorf("a position that is gone is reset to %v", got)
	}
}

func TestNewGroupReadsEverythingThatWaits(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 2)
		b.trades(0, 1, 10)
		b.trades(1, 1, 10)
		b.live(direct)
		b.wantSums(0, 10)
		b.wantSums(1, 10)
	})
}

func TestStopPublishesAndCommitsWhatWasHandedOver(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 1)
		b.trades(0, 1, 25)
		l := b.live(direct)
		b.wantSums(0, 25)
		began := time.Now()
		l.stop()
		if err := <-l.end; err != nil {
			t.Fatal(err)
		}
		t.Logf("a clean stop took %v", time.Since(began))
		if l.revoked != 1 {
			t.Errorf("%d partitions were given back in good order, want 1", l.revoked)
		}
		at, meta := b.committed(0)
		if at != 25 {
			t.Errorf("committed %d, want 25", at)
		}
		if m, ok := DecodeCommitMeta(meta); !ok || m.WM != 7 || m.Low >= 25 {
			t.Errorf("commit metadata %q is %+v, %v", meta, m, ok)
		}
	})
}

func TestNextIncarnationGoesOnFromTheCheckpoint(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 1)
		for i := range 4 {
			b.trades(0, 1+i*10, 10)
			l := b.live(direct)
			b.wantSums(0, 10+i*10)
			l.stop()
			if err := <-l.end; err != nil {
				t.Fatal(err)
			}
		}
		if _, repeats := b.sums(0); repeats != 0 {
			t.Errorf("%d repeats after clean stops", repeats)
		}
	})
}

func TestFailedSendEndsTheIncarnation(t *testing.T) {
	for _, topic := range []string{"klines", "state"} {
		t.Run(topic, func(t *testing.T) {
			b := newBed(t, 1)
			h := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Err: kerr.MessageTooLarge})
			l := b.live(true)
			b.trades(0, 1, 10)
			err := <-l.end
			if !errors.Is(err, ErrEnded) || !errors.Is(err, kerr.MessageTooLarge) {
				t.Fatalf("Run returned %v", err)
			}
			if h.Hits() == 0 {
				t.Fatal("the fault was not hit")
			}
			if err := l.c.Publish(b.ctx(), &Unit{P: 0, Outs: []Out{{Topic: Klines}}}); err == nil {
				t.Error("an ended incarnation published")
			}
			if at, _ := b.committed(0); at > 0 {
				t.Errorf("committed %d after a failed send", at)
			}
			if l.lost != 1 || l.revoked != 0 {
				t.Errorf("lost %d, revoked %d, want 1 and 0", l.lost, l.revoked)
			}
			b.live(true)
			b.wantSums(0, 10)
		})
	}
}

// A produce that was applied and answered with a timeout is sent again; the
// broker knows the producer's sequence.
func TestAppliedButTimedOutProduceIsNotDoubled(t *testing.T) {
	b := newBed(t, 1)
	h := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "klines", Err: kerr.RequestTimedOut, Count: 3})
	b.live(true)
	b.trades(0, 1, 30)
	b.wantSums(0, 30)
	if h.Hits() == 0 {
		t.Fatal("the fault was not hit")
	}
	if _, repeats := b.sums(0); repeats != 0 {
		t.Errorf("%d repeats", repeats)
	}
}

func TestFailedCommitIsCoveredByTheNext(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.UnknownServerError, kerr.RequestTimedOut, kerr.OffsetMetadataTooLarge} {
		t.Run(e.Message, func(t *testing.T) {
			b := newBed(t, 1)
			h := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "ticks", Err: e, Count: 1})
			l := b.live(true)
			b.trades(0, 1, 5)
			eventually(t, "the first commit", func() bool { return h.Hits() > 0 })
			b.trades(0, 6, 5)
			b.wantSums(0, 10)
			eventually(t, "the second commit", func() bool { at, _ := b.committed(0); return at == 10 })
			if err := l.c.Ended(); err != nil {
				t.Errorf("a failed commit ended the incarnation: %v", err)
			}
		})
	}
}

func TestRewoundGroupOffsetIsOnlyAHint(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		for _, at := range []int64{3, 12} {
			t.Run(fmt.Sprint(at), func(t *testing.T) {
				b := newBed(t, 1)
				b.trades(0, 1, 10)
				l := b.live(direct)
				b.wantSums(0, 10)
				l.stop()
				<-l.end
				b.trades(0, 11, 10)
				b.setGroup(0, at)
				b.live(direct)
				b.wantSums(0, 20)
				if _, repeats := b.sums(0); repeats != 0 {
					t.Errorf("%d repeats: the group's offset decided", repeats)
				}
			})
		}
	})
}

func TestPauseHoldsAndEveryAssignmentResumes(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 1)
		l := b.live(direct)
		b.trades(0, 1, 10)
		b.wantSums(0, 10)
		l.c.Pause(0)
		eventually(t, "the pause", func() bool { return len(l.c.cl.PauseFetchPartitions(nil)["ticks"]) == 1 })
		n := len(l.batches(0))
		b.trades(0, 11, 10)
		time.Sleep(400 * time.Millisecond)
		if got := len(l.batches(0)); got > n+1 {
			t.Errorf("%d batches came after the pause, one may", got-n)
		}
		if direct {
			l.c.Resume(0)
		} else {
			l.c.onRevoked(b.ctx(), l.c.cl, map[string][]int32{"ticks": {0}})
			if paused := l.c.cl.PauseFetchPartitions(nil)["ticks"]; len(paused) != 0 {
				t.Error("a revoked partition stays paused: it would be silent if it comes back")
			}
			return
		}
		b.wantSums(0, 20)
	})
}

func TestLostPartitionsCommitNothing(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(false)
	b.trades(0, 1, 5)
	b.wantSums(0, 5)
	eventually(t, "the commit", func() bool { at, _ := b.committed(0); return at == 5 })
	l.c.onLost(b.ctx(), l.c.cl, map[string][]int32{"ticks": {0}})
	if err := l.c.Publish(b.ctx(), &Unit{P: 0, Outs: []Out{{Topic: Klines}}}); !errors.Is(err, ErrNotHeld) {
		t.Errorf("publishing for a lost partition: %v", err)
	}
	if err := l.c.Ended(); err != nil {
		t.Errorf("nothing was outstanding, yet the incarnation ended: %v", err)
	}
	if l.lost != 1 {
		t.Errorf("lost %d", l.lost)
	}
}

func TestAnotherMemberIsNoticed(t *testing.T) {
	b := newBed(t, 2)
	one := b.live(false)
	eventually(t, "the assignment", func() bool { one.mu.Lock(); defer one.mu.Unlock(); return one.assigned == 2 })
	if n, err := one.c.Members(b.ctx()); err != nil || n != 0 {
		t.Fatalf("alone: %d, %v", n, err)
	}
	b.live(false, func(c *ClientConfig, _ *summer) { c.Node = "n2" })
	eventually(t, "the second member", func() bool { n, err := one.c.Members(b.ctx()); return err == nil && n == 1 })
}

func TestUnitsWithoutCheckpointAreNotCommitted(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(true)
	eventually(t, "the assignment", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.assigned == 1 })
	if err := l.c.Publish(b.ctx(), &Unit{P: 0, Outs: []Out{{Topic: DLQ, Value: []byte("x")}}}); err != nil {
		t.Fatal(err)
	}
	if got := b.read("dlq", 0); len(got) != 1 || string(got[0].Value) != "x" {
		t.Errorf("dlq holds %v", got)
	}
	if at, _ := b.committed(0); at >= 0 {
		t.Errorf("committed %d", at)
	}
}
