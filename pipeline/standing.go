package pipeline

import (
	"context"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// idleAfter is how long a member without partitions may still be given some, and one that
// could not restore a partition may take to end.
const idleAfter = 5 * time.Second

// refuse notes that the incarnation is about to end. Where the assignment has ended, as by
// the next rebalance, it goes on.
func (inc *incarnation) refuse(ctx context.Context, err error) {
	inc.mu.Lock()
	defer inc.mu.Unlock()
	inc.refused = inc.refused || ctx.Err() == nil && kafka.IsTransient(err)
}

// standing takes back why the last incarnation ended once this one has its partitions, or
// has been given none for a while. Before that it may end for the same reason, and the
// node would look ready in between, again and again.
func (inc *incarnation) standing(now time.Time) {
	inc.mu.Lock()
	none := len(inc.workers) == 0 && len(inc.failed) == 0
	since := max(inc.began.UnixMilli(), inc.restored.UnixMilli())
	long := now.UnixMilli()-since > idleAfter.Milliseconds()
	stands := inc.restoring == 0 && (long || !none && !inc.refused)
	inc.mu.Unlock()
	if stands && inc.client.Joined() {
		inc.e.ended.Store(nil)
	}
}
