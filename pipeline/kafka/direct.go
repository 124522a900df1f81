package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// takeAll is the assignment without a group: every partition of the input is
// restored and read from the offset in its checkpoint.
func (c *Client) takeAll(ctx context.Context) error {
	committed, err := c.committedOffsets(ctx)
	if err != nil {
		return err
	}
	seeks := c.restoreAll(ctx, committed)
	if err := c.Ended(); err != nil {
		return err
	}
	at := make(map[int32]kgo.Offset, len(seeks))
	for p, next := range seeks {
		at[p] = kgo.NewOffset().At(next).WithEpoch(-1)
	}
	if len(at) > 0 {
		c.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.cfg.Topics.Input: at})
	}
	return nil
}

// committedOffsets returns the group's offset of every partition, -1 for none.
func (c *Client) committedOffsets(ctx context.Context) (map[int32]int64, error) {
	got, err := c.adm.FetchOffsets(ctx, c.cfg.Group)
	if errors.Is(err, kerr.GroupIDNotFound) { // nobody has committed yet
		got, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fetching the offsets of group %q: %w", cut(c.cfg.Group), err)
	}
	committed := make(map[int32]int64, c.cfg.Layout.N)
	for p := range c.cfg.Layout.N {
		o, ok := got.Lookup(c.cfg.Topics.Input, p)
		if committed[p] = -1; ok {
			if o.Err != nil {
				return nil, fmt.Errorf("fetching the offset of group %q for partition %d: %w", cut(c.cfg.Group), p, o.Err)
			}
			committed[p] = o.At
		}
	}
	return committed, nil
}

// commitDirect writes offsets under the group's name without being a member.
func (c *Client) commitDirect(ctx context.Context, next map[int32]mark) map[int32]error {
	offsets := make(kadm.Offsets)
	for p, m := range next {
		offsets.Add(kadm.Offset{
			Topic: c.cfg.Topics.Input, Partition: p, At: m.next, LeaderEpoch: -1, Metadata: m.meta.encode(),
		})
	}
	failed := make(map[int32]error)
	got, err := c.adm.CommitOffsets(ctx, c.cfg.Group, offsets)
	for p := range next {
		if o, ok := got.Lookup(c.cfg.Topics.Input, p); err != nil {
			failed[p] = err
		} else if ok && o.Err != nil {
			failed[p] = o.Err
		}
	}
	return failed
}
