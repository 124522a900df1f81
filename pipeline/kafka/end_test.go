package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTheLeaderIsAskedForTheEnd: what a fetch did not bring may still be there.
func TestTheLeaderIsAskedForTheEnd(t *testing.T) {
	modes(t, func(t *testing.T, direct bool) {
		b := newBed(t, 1)
		b.trades(0, 1, 3)
		l := b.live(direct)
		b.wantSums(0, 3)
		atEnd := func(offset int64) (ok bool) {
			since := time.Now()
			eventually(t, "an answer", func() bool {
				var asOf time.Time
				asOf, ok = l.c.AtEnd(0, offset)
				return asOf.After(since)
			})
			return ok
		}
		if !atEnd(3) || !atEnd(4) || atEnd(2) {
			t.Error("the log ends at 3")
		}
		refusal := b.fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.UnknownServerError, Count: -1})
		for refusal.Hits() < 3 {
			if _, ok := l.c.AtEnd(0, 3); ok {
				t.Fatal("nobody has answered")
			}
			time.Sleep(5 * time.Millisecond)
		}
		refusal.Remove()
		if !atEnd(3) {
			t.Error("the log still ends at 3")
		}
		if _, ok := l.c.AtEnd(7, 0); ok {
			t.Error("the end of a partition that we do not hold is known")
		}
	})
}
