package registry

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// drip gives a few bytes per step of the clock.
type drip struct {
	now  *time.Time
	step time.Duration
	n    int
	end  error
	left int
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, d.end
	}
	n := min(d.n, d.left, len(p))
	d.left -= n
	*d.now = d.now.Add(d.step)
	return n, nil
}

func TestBodySpeed(t *testing.T) {
	for _, tc := range []struct {
		name string
		d    drip
		want Reason
	}{
		{"11 KB/s", drip{step: time.Second, n: 11_000, left: 200_000, end: io.EOF}, ""},
		{"9 KB/s", drip{step: time.Second, n: 9_000, left: 600_000, end: io.EOF}, TooSlow},
		{"slow, but short", drip{step: time.Second, n: 100, left: 400, end: io.EOF}, ""},
		{"a byte a second", drip{step: time.Second, n: 1, left: 4 << 20, end: io.EOF}, TooSlow},
		{"silence", drip{step: time.Second, n: 30_000, left: 30_000, end: os.ErrDeadlineExceeded}, TooSlow},
		{"broken off", drip{step: time.Second, n: 30_000, left: 30_000, end: io.ErrUnexpectedEOF}, Incomplete},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := epoch
			d := tc.d
			d.now = &now
			var deadlines []time.Time
			u := &Upload{Body: &d, Length: -1, Deadline: func(t time.Time) { deadlines = append(deadlines, t) }}
			_, err := readBody(u, 4<<20, func() time.Time { return now })
			if (err == nil) != (tc.want == "") || err != nil && reasonOf(err) != tc.want {
				t.Fatalf("%v, want %q", err, tc.want)
			}
			if now.Sub(epoch) > time.Minute {
				t.Errorf("it took %s to notice", now.Sub(epoch))
			}
			if len(deadlines) < 2 || !deadlines[0].Equal(epoch.Add(grace)) || !deadlines[len(deadlines)-1].IsZero() {
				t.Errorf("deadlines %v, want the grace first and none in the end", deadlines)
			}
		})
	}
}

// A promise of 4 MiB must not cost 4 MiB.
func TestBodyMemoryFollowsWhatArrived(t *testing.T) {
	u := func() *Upload { return &Upload{Body: bytes.NewReader(make([]byte, 100)), Length: 4 << 20} }
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := readBody(u(), 4<<20, func() time.Time { return epoch }); !errors.As(err, new(*Refusal)) {
				b.Fatal(err)
			}
		}
	})
	if got := r.AllocedBytesPerOp(); got > 64<<10 {
		t.Errorf("%d bytes were allocated for 100", got)
	}
}
