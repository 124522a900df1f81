package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// restoreAndSeek runs between the assignment and the first fetch: it has every
// new partition restored and returns where each is to be read from. An error
// would fail the whole assignment, so a partition that cannot be restored is
// returned with the offset of the group, paused and failed.
func (c *Client) restoreAndSeek(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	if err := c.awaitRun(ctx); err != nil {
		return nil, err
	}
	mine := offsets[c.cfg.Topics.Input]
	committed := make(map[int32]int64, len(mine))
	for p, o := range mine {
		if committed[p] = -1; o.EpochOffset().Offset >= 0 {
			committed[p] = o.EpochOffset().Offset
		}
	}
	for p, next := range c.restoreAll(ctx, committed) {
		mine[p] = kgo.NewOffset().At(next).WithEpoch(-1)
	}
	if c.isStopping() {
		return nil, fmt.Errorf("taking partitions: %w", ErrEnded)
	}
	if err := ctx.Err(); err != nil {
		// The next rebalance began meanwhile; kgo asks again.
		c.lose(slices.Collect(maps.Keys(committed)))
		return nil, err
	}
	return offsets, nil
}

func (c *Client) awaitRun(ctx context.Context) error {
	select {
	case <-c.running:
		return nil
	default:
	}
	select {
	case <-c.running:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// restoreAll restores the partitions in parallel. The result lacks those that
// failed. Partitions beyond the layout's N are not consumed.
func (c *Client) restoreAll(ctx context.Context, committed map[int32]int64) map[int32]int64 {
	var (
		mu    sync.Mutex // protects seeks
		seeks = make(map[int32]int64, len(committed))
		work  []*safego.Handle
	)
	for p, group := range committed {
		c.lose([]int32{p}) // a restore that a rebalance made void
		if !c.take(p, group) {
			continue
		}
		panicked := func(err error) { c.failPartition(p, err) }
		work = append(work, safego.Go(fmt.Sprintf("restore of partition %d", p), panicked, func() {
			next, err := c.restore(ctx, p)
			if err != nil {
				c.restoreFailed(ctx, p, err)
				return
			}
			mu.Lock()
			seeks[p] = next
			mu.Unlock()
		}))
	}
	for _, h := range work {
		h.Wait()
	}
	return seeks
}

func (c *Client) restoreFailed(ctx context.Context, p int32, err error) {
	if ctx.Err() != nil {
		return // the assignment is over, not the incarnation
	}
	if IsTransient(err) {
		c.fail(fmt.Errorf("restoring partition %d: %w", p, err))
		// Nothing of p may be delivered before the next incarnation.
		c.cl.PauseFetchPartitions(c.only(p))
		return
	}
	c.failPartition(p, err)
}

func (c *Client) restore(ctx context.Context, p int32) (int64, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	if p >= c.cfg.Layout.N {
		return 0, fmt.Errorf("restoring partition %d: the input had %d partitions when this engine was set up; growing it is not supported, its records wait", p, c.cfg.Layout.N)
	}
	began := c.cfg.Cluster.Clock.Now()
	next, err := c.h.Assigned(ctx, p)
	if err != nil {
		return 0, err
	}
	start, end, err := c.Bounds(ctx, p)
	if err != nil {
		return 0, err
	}
	if err := c.checkSeek(p, next, start, end); err != nil {
		return 0, err
	}
	c.mu.Lock()
	if pt := c.parts[p]; pt != nil {
		pt.next, pt.end = next, end
	}
	c.mu.Unlock()
	c.cfg.Cluster.Observer.Restored(p, c.cfg.Cluster.Clock.Now().Sub(began))
	return next, nil
}

// checkSeek refuses an offset that the input does not have. kgo would reset to
// somewhere else, or wait for ever.
func (c *Client) checkSeek(p int32, next, start, end int64) error {
	switch {
	case next < start:
		return fmt.Errorf("seeking %s[%d] to %d: the log starts at %d, retention was faster than the engine: %w",
			c.cfg.Topics.Input, p, next, start, ErrInputLost)
	case next > end:
		return fmt.Errorf("seeking %s[%d] to %d: the log ends at %d, it was truncated or created again: %w",
			c.cfg.Topics.Input, p, next, end, ErrInputLost)
	}
	return nil
}

// bound limits a restore in time and by the life of the incarnation.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RestoreTimeout)
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Bounds returns the log start and the high watermark of the input partition p.
func (c *Client) Bounds(ctx context.Context, p int32) (start, end int64, err error) {
	return bounds(ctx, c.adm, c.cfg.Topics.Input, p)
}

// GroupOffset returns the offset that the group had for p when it was assigned,
// -1 if none. A hint: the checkpoint rules.
func (c *Client) GroupOffset(p int32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pt := c.parts[p]; pt != nil {
		return pt.group
	}
	return -1
}
