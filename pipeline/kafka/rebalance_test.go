package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A second member joins while trades arrive. The first drains what it has to
// give away, so the second goes on without a repeat.
func TestPartitionsMoveWithoutARepeat(t *testing.T) {
	b := newBed(t, 4)
	one := b.live(false)
	eventually(t, "the first member", func() bool { one.mu.Lock(); defer one.mu.Unlock(); return one.assigned == 4 })
	stop, fed := make(chan struct{}), make(chan struct{})
	total := 0
	go func() {
		defer close(fed)
		for ; ; total++ {
			select {
			case <-stop:
				return
			default:
				for p := range int32(4) {
					b.trades(p, 1+total, 1)
				}
			}
		}
	}()
	two := b.live(false, func(c *ClientConfig, _ *summer) { c.Node = "n2" })
	eventually(t, "the move", func() bool { two.mu.Lock(); defer two.mu.Unlock(); return two.assigned == 2 })
	time.Sleep(200 * time.Millisecond)
	close(stop)
	<-fed
	for p := range int32(4) {
		b.wantAll(p, total)
		if _, repeats := b.sums(p); repeats != 0 {
			t.Errorf("partition %d: %d repeats", p, repeats)
		}
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.revoked != 2 || one.lost != 0 {
		t.Errorf("the first member: %d revoked, %d lost, want 2 and 0", one.revoked, one.lost)
	}
}

// A rebalance that begins during a restore makes it void: the partition is
// dropped, the incarnation goes on and is asked again.
func TestRestoreEndedByARebalanceIsRepeated(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 10)
	l := b.live(true)
	b.wantSums(0, 10)
	eventually(t, "the end of the unit", func() bool { at, _ := b.committed(0); return at == 10 })
	ended, cancel := context.WithCancel(b.ctx())
	cancel()
	offsets := map[string]map[int32]kgo.Offset{"ticks": {0: kgo.NewOffset().AtStart()}}
	if _, err := l.c.restoreAndSeek(ended, offsets); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := l.c.Ended(); err != nil {
		t.Fatalf("the incarnation ended: %v", err)
	}
	// Once for what it held before, once for the restore that came to nothing.
	if l.lost != 2 || len(l.c.held()) != 0 || l.failure(0) != nil {
		t.Errorf("lost %d, held %v, failed %v", l.lost, l.c.held(), l.failure(0))
	}
	got, err := l.c.restoreAndSeek(b.ctx(), offsets)
	if err != nil {
		t.Fatal(err)
	}
	if at := got["ticks"][0].EpochOffset(); at.Offset != 10 || at.Epoch != -1 {
		t.Errorf("seeks to %+v, want 10 without an epoch", at)
	}
}

func TestEachPartitionIsGivenBackOnce(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(true)
	eventually(t, "the assignment", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.assigned == 1 })
	if got := l.c.claim([]int32{0, 7}); len(got) != 1 {
		t.Fatalf("claimed %v", got)
	}
	l.c.release(b.ctx(), []int32{0})
	l.c.lose([]int32{0})
	if l.revoked != 0 || l.lost != 0 {
		t.Errorf("revoked %d, lost %d after somebody else had claimed it", l.revoked, l.lost)
	}
}

// A member that is deposed while Run gives everything back joins again by itself.
// What it is assigned then has a worker whose last unit is still on its way.
func TestNothingIsTakenWhileEverythingIsGivenBack(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(true)
	eventually(t, "the assignment", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.assigned == 1 })
	l.c.releaseAll()
	offsets := map[string]map[int32]kgo.Offset{"ticks": {0: kgo.NewOffset().AtStart()}}
	if _, err := l.c.restoreAndSeek(b.ctx(), offsets); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v", err)
	}
	if l.assigned != 1 || len(l.c.held()) != 0 {
		t.Errorf("assigned %d times, held %v", l.assigned, l.c.held())
	}
}
