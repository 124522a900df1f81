package kafka

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// groupOptions make the client a static member that commits by hand only.
func (c *Client) groupOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumerGroup(c.cfg.Group), kgo.ConsumeTopics(c.cfg.Topics.Input),
		kgo.InstanceID(c.cfg.Node), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.BlockRebalanceOnPoll(),
		kgo.AdjustFetchOffsetsFn(c.restoreAndSeek),
		kgo.OnPartitionsAssigned(c.onAssigned),
		kgo.OnPartitionsRevoked(c.onRevoked),
		kgo.OnPartitionsLost(c.onLost),
		kgo.SessionTimeout(c.cfg.SessionTimeout), kgo.RebalanceTimeout(time.Minute),
		kgo.HeartbeatInterval(min(3*time.Second, c.cfg.SessionTimeout/4)),
	}
}

func (c *Client) onAssigned(_ context.Context, cl *kgo.Client, m map[string][]int32) {
	// A pause outlives a rebalance in kgo; without this P would be silent for
	// ever if it comes back after having been paused.
	cl.ResumeFetchPartitions(c.only(m[c.cfg.Topics.Input]...))
}

func (c *Client) onRevoked(ctx context.Context, _ *kgo.Client, m map[string][]int32) {
	c.release(ctx, m[c.cfg.Topics.Input])
}

func (c *Client) onLost(_ context.Context, _ *kgo.Client, m map[string][]int32) {
	c.lose(m[c.cfg.Topics.Input])
}

// release hands ps back in good order: the handler publishes, what it published
// is committed.
func (c *Client) release(ctx context.Context, ps []int32) {
	ps = c.claim(ps)
	if len(ps) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ReleaseTimeout)
	defer cancel()
	c.h.Revoked(ctx, ps)
	if c.txn != nil {
		c.txn.settle(ctx, ps)
	}
	c.commit.drain(ctx)
	if busy := c.drop(ps); busy && c.txn != nil {
		c.fail(fmt.Errorf("releasing partitions %v took too long: their transaction is not over", ps))
	}
}

// releaseAll gives everything back at the end of Run. The group does not know of
// that: a member that was deposed meanwhile joins again by itself, and may be
// given a partition whose last unit is still on its way. A second worker of it
// would restore from a checkpoint that the first one is about to replace.
func (c *Client) releaseAll() {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.release(context.Background(), c.held())
}

// take notes that p is assigned, unless the client is about to give everything
// back.
func (c *Client) take(p int32, group int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopping {
		c.parts[p] = &partition{group: group, next: -1, end: math.MaxInt64}
	}
	return !c.stopping
}

// lose drops ps without a word to the broker. A record of theirs that is not
// acknowledged yet can be withdrawn only together with the client.
func (c *Client) lose(ps []int32) {
	ps = c.claim(ps)
	if len(ps) == 0 {
		return
	}
	if busy := c.drop(ps); busy {
		c.fail(fmt.Errorf("losing partitions %v in the middle of a unit", ps))
	}
	c.h.Lost(ps)
}

func (c *Client) loseAll() { c.lose(c.held()) }

// claim returns those of ps that are held and that nobody else is giving back:
// the end of Run and a rebalance may come together, and the handler is to hear
// of each partition once.
func (c *Client) claim(ps []int32) []int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var mine []int32
	for _, p := range ps {
		if pt := c.parts[p]; pt != nil && !pt.leaving {
			pt.leaving = true
			mine = append(mine, p)
		}
	}
	return mine
}

// drop forgets ps, takes their pending commits back and undoes their pauses.
// It reports whether one of them had something that is not acknowledged, or not
// committed.
func (c *Client) drop(ps []int32) (busy bool) {
	busy = c.txn != nil && c.txn.dirty(ps)
	c.mu.Lock()
	for _, p := range ps {
		if pt := c.parts[p]; pt != nil {
			busy = busy || pt.busy > 0
			delete(c.parts, p)
		}
	}
	c.mu.Unlock()
	for _, p := range ps {
		c.commit.forget(p)
	}
	c.cl.ResumeFetchPartitions(c.only(ps...))
	return busy
}

// Joined reports whether the group has given us a generation.
func (c *Client) Joined() bool {
	_, generation := c.cl.GroupMetadata()
	return c.cfg.Direct || generation >= 0
}

// Members returns how many other members of the group hold a partition of the
// input. In the idempotent mode anything but 0 means that two processes write
// the same topics: not ready, with a sentence that names the word delivery.
func (c *Client) Members(ctx context.Context) (int, error) {
	groups, err := c.adm.DescribeGroups(ctx, c.cfg.Group)
	if err != nil {
		return 0, fmt.Errorf("describing group %q: %w", cut(c.cfg.Group), err)
	}
	group, ok := groups[c.cfg.Group]
	if !ok {
		return 0, nil
	}
	if group.Err != nil {
		return 0, fmt.Errorf("describing group %q: %w", cut(c.cfg.Group), group.Err)
	}
	others := 0
	for i := range group.Members {
		if c.isOther(&group.Members[i]) {
			others++
		}
	}
	return others, nil
}

func (c *Client) isOther(m *kadm.DescribedGroupMember) bool {
	if !c.cfg.Direct && m.InstanceID != nil && *m.InstanceID == c.cfg.Node {
		return false
	}
	assigned, ok := m.Assigned.AsConsumer()
	if !ok {
		return false
	}
	for _, t := range assigned.Topics {
		if t.Topic == c.cfg.Topics.Input && len(t.Partitions) > 0 {
			return true
		}
	}
	return false
}
