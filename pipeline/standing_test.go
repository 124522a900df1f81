package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// A node that begins again and again for the same reason must not look ready in between,
// and one that is given nothing must not wait for ever.
func TestAnIncarnationStandsOnceItHasItsPartitions(t *testing.T) {
	began := time.UnixMilli(1_000_000)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	worker := map[int32]*running{0: {}}
	for _, c := range []struct {
		name   string
		inc    *incarnation
		fails  error
		during context.Context
		after  time.Duration
		want   bool
	}{
		{"just joined", &incarnation{}, nil, nil, time.Second, false},
		{"given nothing", &incarnation{}, nil, nil, 6 * time.Second, true},
		{"its partition runs", &incarnation{workers: worker}, nil, nil, time.Millisecond, true},
		{"its partition is failed, which says so itself", &incarnation{failed: map[int32]string{0: "lost"}}, nil, nil, time.Millisecond, true},
		{"one runs, one is being restored", &incarnation{workers: worker, restoring: 1}, nil, nil, time.Minute, false},
		{"one runs, one could not be restored", &incarnation{workers: worker}, kafka.ErrShared, t.Context(), time.Millisecond, false},
		{"a rebalance ended the restore", &incarnation{workers: worker}, kafka.ErrEnded, ended, time.Millisecond, true},
	} {
		why := "the reason"
		c.inc.e, c.inc.began, c.inc.client = &Engine{}, began, &crashLog{}
		c.inc.e.ended.Store(&why)
		if c.fails != nil {
			c.inc.refuse(c.during, c.fails)
		}
		c.inc.standing(began.Add(c.after))
		if got := c.inc.e.ended.Load() == nil; got != c.want {
			t.Errorf("%s: it stands %v, want %v", c.name, got, c.want)
		}
	}
}
