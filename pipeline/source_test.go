package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// TestASourceOfAnyBytesIsClosedByOneDecision: the name of a source is a header, which
// may hold bytes of any kind; a decision names it in JSON.
func TestASourceOfAnyBytesIsClosedByOneDecision(t *testing.T) {
	for _, name := range []string{"plain", "b\xf6rse", "\x00\x01", "\xff\xfe\xfd"} {
		c := newCrashRun(t, 5)
		now := c.clock.Now().UnixMilli()
		for i := range int64(2) {
			c.log.input = append(c.log.input, kafka.Rec{
				Offset: i, Timestamp: now, Headers: []kafka.Header{{Key: wire.HeaderSource, Value: []byte(name)}},
				Value: fmt.Appendf(nil, `{"symbol":"A","price":"1","size":"1","ts":%d,"id":%d}`, now-1500+1000*i, i),
			})
		}
		c.log.visible, c.log.high = 2, 2
		if !c.begin() {
			t.Fatal("the partition did not begin")
		}
		c.deliver(2)
		for range 20 {
			c.clock.Advance(time.Second)
			if err := c.w.punctuate(); err != nil {
				t.Fatal(err)
			}
		}
		idle := 0
		for _, r := range c.log.journal {
			ops, err := wire.DecodeOps(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if ops[0].Kind == core.OpIdle {
				idle++
			}
		}
		// One closes the bar of a second, one that of five.
		if idle == 0 || idle > 2 {
			t.Errorf("source %q: %d decisions about it", name, idle)
		}
		if n := len(c.w.eng.Sources()); n != 1 {
			t.Errorf("source %q: %d sources are known: %+v", name, n, c.w.eng.Sources())
		}
		c.drop(errKilled)
	}
}

func TestAPartitionThatMovedIsNotCalledFailed(t *testing.T) {
	for _, how := range []string{"revoked", "lost"} {
		l := newLoop(t)
		l.e.current.Store(l.inc)
		state := func() PartitionState { return l.e.partitions(1)[0].State }
		l.inc.Failed(0, errors.New("the journal was cut"))
		if s := state(); s != StateFailed {
			t.Fatalf("the partition is %s", s)
		}
		if how == "revoked" {
			l.inc.Revoked(t.Context(), []int32{0})
		} else {
			l.inc.Lost([]int32{0})
		}
		if s := state(); s != StateUnassigned {
			t.Errorf("%s: the partition is %s, another node may run it", how, s)
		}
	}
}

// TestReadersWhoWaitInVainLeaveNothingBehind: of a quiet symbol of another node no bar may
// ever come, and a worker may wait for its brokers for hours.
func TestReadersWhoWaitInVainLeaveNothingBehind(t *testing.T) {
	c := newCrashRun(t, 6)
	e := c.engine(true)
	e.hub.Bind("m", 1)
	k := core.Kline{Symbol: "A", Interval: "1s", OpenTime: 1000, CloseTime: 1999, N: 1, Final: true, Seq: 1}
	r := kafka.Rec{Value: wire.AppendKline(nil, &k, nil), Headers: []kafka.Header{{Key: "so", Value: []byte("0")}, {Key: "sk", Value: []byte("0")}}}
	e.applyHub(kafka.Span{P: 0, To: 1, End: 1, Records: []kafka.Rec{r}})
	if _, known := e.hub.PartitionOf("A"); !known {
		t.Fatal("the view does not know the symbol")
	}
	e.live.ask([]string{"A"})
	e.live.ask([]string{"A", "A"})
	if n := len(e.live.readers); n > 0 {
		t.Errorf("%d symbols have readers who left: %v", n, e.live.readers)
	}
	f := newForming(e.live, e.cfg.Clock, 0)
	first := f.ask([]string{"A"})
	for range 1000 {
		if f.ask([]string{"A"}) != first {
			t.Fatal("each reader of a worker that is busy has a wait of its own")
		}
	}
	_, done := f.takeAsked()
	close(done)
	<-first
	if f.ask([]string{"A"}) == first {
		t.Error("a reader who comes after the round waits for the one before")
	}
}

// TestAnInputThatHasGrownIsTold: records wait in partitions that nobody works on, and
// that the status does not list.
func TestAnInputThatHasGrownIsTold(t *testing.T) {
	l := newLoop(t)
	l.e.current.Store(l.inc)
	grown := func() bool {
		return slices.ContainsFunc(l.e.Status().Degraded, func(what string) bool {
			return strings.HasPrefix(what, degradedPartitions) && strings.Contains(what, "it had 1")
		})
	}
	if grown() {
		t.Fatal("the input has grown before it did")
	}
	l.inc.Failed(1, errors.New("it had 1"))
	if !grown() {
		t.Errorf("nobody is told: %+v", l.e.Status())
	}
	l.inc.Failed(2, errors.New("it had 1"))
	l.inc.Revoked(t.Context(), []int32{1})
	if !grown() {
		t.Error("one of two is another node's, and nobody tells of the other")
	}
	l.inc.Lost([]int32{2})
	if grown() {
		t.Error("the partition is another node's, and this one tells of it")
	}
}

// publishedLog is a log whose newest mark says that more is published than its checkpoint
// has.
type publishedLog struct {
	*crashLog
	to int64
}

func (l publishedLog) LoadCheckpoint(ctx context.Context, p int32) (*kafka.Checkpoint, error) {
	cp, err := l.crashLog.LoadCheckpoint(ctx, p)
	if err != nil {
		return nil, err
	}
	ahead := *cp
	ahead.Published.To = l.to
	return &ahead, nil
}

// TestAnInputThatEndsBeforeWhatIsPublishedIsLost: up to a mark a partition is replayed in
// silence, so records that the broker has lost would take those that come after them along.
func TestAnInputThatEndsBeforeWhatIsPublishedIsLost(t *testing.T) {
	c := newCrashRun(t, 9)
	c.produce(30)
	c.complete()
	for _, lost := range []int64{0, 1} {
		inc := &incarnation{e: c.e, client: publishedLog{c.log, c.log.high + lost}, workers: map[int32]*running{}, failed: map[int32]string{}}
		w, err := inc.restore(t.Context(), 0)
		if errors.Is(err, kafka.ErrInputLost) != (lost > 0) {
			t.Errorf("%d records of what is published are lost: %v", lost, err)
		}
		if err == nil {
			w.vals.close()
		}
	}
}

// What health says of a failed partition is what an operator sees first.
func TestTheReasonNotToBeReadySaysWhyAPartitionFailed(t *testing.T) {
	l := newLoop(t)
	ps := []PartitionStatus{
		{Partition: 0, State: StateRunning},
		{Partition: 1, State: StateFailed, Error: "the journal was cut"},
		{Partition: 2, State: StateFailed, Error: "the journal was cut, too"},
	}
	why := strings.Join(l.e.reasons(true, ps), "\n")
	if !strings.Contains(why, "partition 1 is failed: the journal was cut\npartition 2 is failed") || strings.Contains(why, "too") {
		t.Errorf("got %s", why)
	}
}
