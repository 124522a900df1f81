package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

func TestInputThatRetentionAteIsFailedLoudly(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 2)
		b.trades(0, 1, 10)
		b.trades(1, 1, 5)
		l := b.live(direct)
		b.wantSums(0, 10)
		l.stop()
		<-l.end
		b.trades(0, 11, 10)
		if err := b.fake.DeleteRecords("ticks", 0, 15); err != nil {
			t.Fatal(err)
		}
		l = b.live(direct)
		eventually(t, "partition 0 failed", func() bool { return l.failure(0) != nil })
		if err := l.failure(0); !errors.Is(err, ErrInputLost) || !strings.Contains(err.Error(), "starts at 15") {
			t.Errorf("got %v", err)
		}
		b.trades(1, 6, 5) // the others go on, the member stays
		b.wantSums(1, 10)
		if n := len(l.batches(0)); n != 0 {
			t.Errorf("%d batches of a failed partition were delivered", n)
		}
		if at, _ := b.committed(0); at != 10 {
			t.Errorf("the group of the failed partition moved to %d", at)
		}
	})
}

func TestInputThatVanishesWhileRunningIsFailed(t *testing.T) {
	b := newBed(t, 1)
	l := b.live(true)
	b.trades(0, 1, 10)
	b.wantSums(0, 10)
	l.c.Pause(0)
	b.trades(0, 11, 10)
	if err := b.fake.DeleteRecords("ticks", 0, 20); err != nil {
		t.Fatal(err)
	}
	b.trades(0, 21, 3)
	l.c.Resume(0)
	eventually(t, "out of range, or a batch that was on its way", func() bool {
		return l.failure(0) != nil || len(l.batches(0)) > 10
	})
	if err := l.failure(0); err != nil && !errors.Is(err, ErrInputLost) {
		t.Errorf("got %v", err)
	}
}

func TestTruncatedInputIsFailed(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 10)
	l := b.live(false)
	b.wantSums(0, 10)
	// The broker answers that the epoch ended at 4, as after an unclean election.
	b.fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		for _, rt := range req.(*kmsg.OffsetForLeaderEpochRequest).Topics {
			out := kmsg.NewOffsetForLeaderEpochResponseTopic()
			out.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				p.Partition, p.LeaderEpoch, p.EndOffset = rp.Partition, rp.LeaderEpoch, 4
				out.Partitions = append(out.Partitions, p)
			}
			resp.Topics = append(resp.Topics, out)
		}
		return resp, nil, true
	})
	if err := b.fake.MoveTopicPartition("ticks", 0, 0); err != nil {
		t.Fatal(err)
	}
	b.cl.ForceMetadataRefresh()
	l.c.cl.ForceMetadataRefresh()
	b.trades(0, 11, 1)
	eventually(t, "the loss is noticed", func() bool { return l.failure(0) != nil })
	if err := l.failure(0); !errors.Is(err, ErrInputLost) {
		t.Errorf("got %v", err)
	}
	if sums, _ := b.sums(0); len(sums) > 11 {
		t.Errorf("%d sums: records were read again", len(sums))
	}
}

func TestInputCreatedAgainIsFailed(t *testing.T) {
	t.Parallel() // the client asks five times, seconds apart, before it believes it
	b := newBed(t, 1)
	b.trades(0, 1, 10)
	l := b.live(true)
	b.wantSums(0, 10)
	if err := b.fake.DeleteTopic("ticks"); err != nil {
		t.Fatal(err)
	}
	if err := b.fake.CreateTopic("ticks", 1, nil); err != nil {
		t.Fatal(err)
	}
	l.c.cl.ForceMetadataRefresh()
	eventually(t, "the new id is noticed", func() bool { return l.failure(0) != nil })
	if err := l.failure(0); !errors.Is(err, ErrInputLost) || !strings.Contains(err.Error(), "created again") {
		t.Errorf("got %v", err)
	}
}

func TestCheckpointBeyondTheInputIsFailed(t *testing.T) {
	b := newBed(t, 1)
	b.save(b.client(-1), 99, make([]byte, 16))
	l := b.live(true)
	eventually(t, "the partition failed", func() bool { return l.failure(0) != nil })
	if err := l.failure(0); !errors.Is(err, ErrInputLost) || !strings.Contains(err.Error(), "ends at 0") {
		t.Errorf("got %v", err)
	}
}

// Offsets of the topic before mean nothing in one that is longer than they are.
func TestCheckpointOfAnInputThatWasCreatedAgainIsFailed(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 5)
	b.save(b.client(-1), 5, make([]byte, 16))
	again := func() {
		if err := b.fake.DeleteTopic("ticks"); err != nil {
			t.Fatal(err)
		}
		if err := b.fake.CreateTopic("ticks", 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	again()
	layout, err := Ensure(b.ctx(), b.at, b.topics, EnsureOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := kgo.NewClient(kgo.SeedBrokers(b.fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fresh.Close)
	b.cl = fresh // the other one knows the topic by its old id
	b.trades(0, 1, 10)
	for name, known := range map[string]Layout{"a new engine": layout, "an engine that runs": b.layout} {
		l := b.live(true, func(c *ClientConfig, _ *summer) { c.Layout = known })
		eventually(t, "the partition failed", func() bool { return l.failure(0) != nil })
		if err := l.failure(0); !errors.Is(err, ErrInputLost) || !strings.Contains(err.Error(), "created again") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if sums, _ := b.sums(0); len(sums) > 0 {
		t.Errorf("%d sums were published from the middle of another topic", len(sums))
	}
}

func TestLostStateFailsOnlyItsPartition(t *testing.T) {
	b := newBed(t, 2)
	b.trades(0, 1, 10)
	b.trades(1, 1, 10)
	b.setGroup(0, 5)
	modes(t, func(t *testing.T, direct bool) {
		l := b.live(direct, func(c *ClientConfig, _ *summer) { c.Group = "g" })
		eventually(t, "partition 0 failed", func() bool { return errors.Is(l.failure(0), ErrStateLost) })
		if text := l.failure(0).Error(); strings.Contains(text, "output_prefix") == direct {
			t.Errorf("the operator is told %q", text)
		}
		b.wantSums(1, 10)
		l.stop()
		if err := <-l.end; err != nil {
			t.Error(err)
		}
	})
}

func TestOnlyWhatWasWaitedForIsAtEnd(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 10)
	l := b.live(true)
	b.wantSums(0, 10)
	backlog := l.batches(0)
	if backlog[0].AtEnd {
		t.Error("a backlog counts as waited for")
	}
	last := backlog[len(backlog)-1]
	if last.Next != 10 || last.HighWatermark != 10 || last.LogStart != 0 {
		t.Errorf("next %d, high watermark %d, log start %d", last.Next, last.HighWatermark, last.LogStart)
	}
	b.trades(0, 11, 1)
	b.wantSums(0, 11)
	if got := l.batches(0); !got[len(got)-1].AtEnd {
		t.Error("a record that came while waiting at the end is not at the end")
	}
	l.c.Pause(0)
	b.trades(0, 12, 1)
	l.c.Resume(0)
	b.wantSums(0, 12)
	if got := l.batches(0); got[len(got)-1].AtEnd {
		t.Error("a record that came during a pause counts as waited for")
	}
}

func TestBatchesAreCutAtOneMebibyte(t *testing.T) {
	var rs []*kgo.Record
	for i := range 40 {
		rs = append(rs, &kgo.Record{Offset: int64(i * 2), Value: make([]byte, 100<<10)})
	}
	rs = append(rs, &kgo.Record{Offset: 80, Value: make([]byte, 3<<20)}, &kgo.Record{Offset: 81})
	want := int64(0)
	for rest := rs; len(rest) > 0; {
		var b *Batch
		b, rest = cutBatch(rest)
		if b.bytes > maxBatchBytes && len(b.Records) > 1 {
			t.Errorf("a batch of %d records has %d bytes", len(b.Records), b.bytes)
		}
		if b.Records[0].Offset < want || b.Next != b.Records[len(b.Records)-1].Offset+1 {
			t.Errorf("batch %d..%d, next %d", b.Records[0].Offset, b.Records[len(b.Records)-1].Offset, b.Next)
		}
		want = b.Next
		b.Release()
	}
	if want != 82 {
		t.Errorf("ended at %d", want)
	}
}

// Trades of a transactional producer: aborted ones are never seen, and the
// position moves over the markers to the end.
func TestTransactionsOfProducersLeaveOnlyHoles(t *testing.T) {
	b := newBed(t, 1)
	b.trades(0, 1, 3)
	b.abort("ticks", 0, 5)
	b.transact("ticks", 0, 2, kgo.TryCommit)
	l := b.live(true)
	eventually(t, "the end", func() bool {
		got := l.batches(0)
		return len(got) > 0 && got[len(got)-1].Next >= 12 && got[len(got)-1].Next == got[len(got)-1].HighWatermark
	})
	var values [][]byte
	for _, batch := range l.batches(0) {
		for _, r := range batch.Records {
			values = append(values, r.Value)
		}
	}
	if got := string(bytes.Join(values, []byte(" "))); got != "1 2 3 1000 1001" {
		t.Errorf("delivered %s", got)
	}
}

func TestPartitionsBeyondTheLayoutAreNotConsumed(t *testing.T) {
	b := newBed(t, 2)
	b.layout.N = 1
	b.trades(0, 1, 3)
	b.trades(1, 1, 3)
	l := b.live(false)
	b.wantSums(0, 3)
	eventually(t, "the alarm", func() bool { return l.failure(1) != nil })
	if got := len(l.batches(1)); got != 0 {
		t.Errorf("%d batches of partition 1", got)
	}
}

func TestTransientRestoreErrorEndsTheIncarnation(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint(direct), func(t *testing.T) {
			b := newBed(t, 1)
			b.trades(0, 1, 3)
			l := b.live(direct, func(c *ClientConfig, _ *summer) { c.RestoreTimeout = 1 })
			if err := <-l.end; !IsTransient(err) {
				t.Errorf("got %v", err)
			}
			if l.failure(0) != nil {
				t.Errorf("a slow broker made the partition failed: %v", l.failure(0))
			}
		})
	}
}

// What a broker answers is no word about what stands in a log: no operator should
// have to wake the partition.
func TestARefusedRestoreIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, refusal := range []*kerr.Error{kerr.UnknownServerError, kerr.TopicAuthorizationFailed, kerr.NotLeaderForPartition} {
		t.Run(refusal.Message, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			b.trades(0, 1, 3)
			fault := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: refusal, Count: -1})
			l := b.live(false)
			if err := <-l.end; !IsTransient(err) {
				t.Errorf("got %v", err)
			}
			if l.failure(0) != nil || fault.Hits() == 0 {
				t.Errorf("failed with %v after %d refusals", l.failure(0), fault.Hits())
			}
			fault.Remove()
			b.live(false)
			b.wantSums(0, 3)
		})
	}
	b := newBed(t, 1)
	if _, _, err := Bounds(b.ctx(), b.at, "nobody made it", 0); !IsTransient(err) {
		t.Errorf("a topic that the broker does not know yet: %v", err)
	}
}

// A broker that dies while a node restores, or a proxy before it, accepts a
// connection and hangs up. No operator should have to wake a partition for that.
func TestFault_B01_AConnectionThatHangsUpIsTransient(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, _, err = Bounds(ctx, Cluster{Brokers: []string{listener.Addr().String()}}, "ticks", 0)
	if err == nil || ctx.Err() != nil {
		t.Fatalf("got %v, %v", err, ctx.Err())
	}
	if !IsTransient(err) {
		t.Errorf("a partition would be failed by: %v", err)
	}
}

// panicking is an observer that panics at the first fetch, in the goroutine that polls.
type panicking struct {
	NopObserver
	done atomic.Bool
}

func (p *panicking) Fetched(int32, int, int, int64) {
	if !p.done.Swap(true) {
		panic("first fetch")
	}
}

func TestFault_A15_APanicOfThePollLoopEndsTheIncarnationAlone(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint(direct), func(t *testing.T) {
			b := newBed(t, 1)
			b.trades(0, 1, 5)
			o := &panicking{}
			watched := func(c *ClientConfig, _ *summer) { c.Cluster.Observer = o }
			first := b.live(direct, watched)
			var panicked *safego.PanicError
			if err := <-first.end; !errors.As(err, &panicked) || panicked.Name != "poll loop" {
				t.Fatalf("got %v, want the panic", err)
			}
			b.live(direct, watched)
			b.wantSums(0, 5)
		})
	}
}
