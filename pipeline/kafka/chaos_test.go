package kafka

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hurt does one bad thing to a running incarnation. Some end it.
// The returned function takes it back if it has not struck yet.
func (b *bed) hurt(r *rand.Rand, l *life) (heal func()) {
	topics := []string{"klines", "state", "journal"}
	produce := []*kerr.Error{
		kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend, // applied, then answered with an error
		kerr.NotEnoughReplicas, kerr.NotLeaderForPartition, // retried
		kerr.MessageTooLarge, kerr.UnknownServerError, // final
	}
	commit := []*kerr.Error{kerr.RequestTimedOut, kerr.CoordinatorLoadInProgress, kerr.UnknownServerError}
	switch r.IntN(4) {
	case 0, 1:
		return b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: topics[r.IntN(len(topics))], Err: produce[r.IntN(len(produce))], Count: 1 + r.IntN(2)}).Remove
	case 2:
		return b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "ticks", Err: commit[r.IntN(len(commit))]}).Remove
	default:
		l.c.fail(errors.New("killed by the test"))
		return func() {}
	}
}

// Many incarnations, each hurt at a random moment: a reader of klines that
// follows the reader rule sees every sum once and none wrong.
func TestNothingIsLostOrDoubledOverManyIncarnations(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		t.Parallel()
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		b := newBed(t, 2)
		stop, fed := make(chan struct{}), make(chan struct{})
		total := 0
		go func() {
			defer close(fed)
			for ; ; total++ {
				select {
				case <-stop:
					return
				default:
					b.trades(0, 1+total, 1)
					b.trades(1, 1+total, 1)
				}
			}
		}()
		ended := 0
		for range 15 {
			l := b.live(direct, func(_ *ClientConfig, s *summer) { s.journal = true })
			time.Sleep(time.Duration(20+r.IntN(80)) * time.Millisecond)
			heal := b.hurt(r, l)
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			l.stop()
			if err := <-l.end; err != nil {
				ended++
			}
			heal()
			for p := range int32(2) {
				if err := l.failure(p); err != nil {
					t.Fatalf("partition %d failed: %v", p, err)
				}
			}
		}
		close(stop)
		<-fed
		last := b.live(direct, func(_ *ClientConfig, s *summer) { s.journal = true })
		for p := range int32(2) {
			b.wantAll(p, total)
		}
		last.stop()
		<-last.end
		_, repeats := b.sums(0)
		t.Logf("%d records per partition, %d of 15 incarnations ended by a fault, %d repeats dropped by the reader rule", total, ended, repeats)
		b.wantJournalWithoutHoles(0)
	})
}

// wantAll waits for the n-th sum and checks all of them.
func (b *bed) wantAll(p int32, n int) {
	b.t.Helper()
	eventually(b.t, "the last sum", func() bool { sums, _ := b.sums(p); return len(sums) >= n })
	sums, _ := b.sums(p)
	if len(sums) != n {
		b.t.Errorf("partition %d: %d sums, want %d", p, len(sums), n)
	}
	total := int64(0)
	for i, v := range sums {
		if total += int64(i + 1); v != total {
			b.t.Fatalf("partition %d: sum %d is %d, want %d", p, i, v, total)
		}
	}
}

func (b *bed) wantJournalWithoutHoles(p int32) {
	b.t.Helper()
	last := int64(0)
	recs := b.read("journal", p)
	for i := range recs {
		h, _ := recs[i].Header("n")
		n, err := strconv.ParseInt(string(h), 10, 64)
		if err != nil {
			b.t.Fatal(err)
		}
		if n > last+1 {
			b.t.Errorf("journal record %d follows record %d", n, last)
		}
		last = max(last, n)
	}
	if last == 0 {
		b.t.Error("the journal is empty")
	}
}
