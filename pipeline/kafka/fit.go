package kafka

import (
	"context"
	"fmt"
)

// fits refuses a checkpoint that is not of the input as it is now.
func (c *Client) fits(ctx context.Context, cp *Checkpoint) error {
	if err := c.sameInput(ctx, cp); err != nil {
		return err
	}
	return c.sameCount(cp.Partitions)
}

// sameInput refuses a checkpoint of another input: one that was created again under the
// name, or that is called otherwise. Its offsets say nothing about this one, which may
// well be longer: what stands in it below them would be left out, with nothing said.
// The topic is asked for here: it may have been created again since the layout was made.
func (c *Client) sameInput(ctx context.Context, cp *Checkpoint) error {
	input := c.cfg.Topics.Input
	meta, err := c.adm.Metadata(ctx, input)
	if err != nil {
		return fmt.Errorf("asking for the id of topic %q: %w", cut(input), err)
	}
	id := idText(meta.Topics[input].ID)
	if id == "" || cp.Input == "" || id == cp.Input {
		return nil
	}
	return fmt.Errorf("the state is that of another topic than %q is now: it was deleted and created again, or the word topics named another one: %w",
		cut(input), ErrInputLost)
}

// sameCount refuses a state of another number of partitions. Where somebody added some to
// the input and to all topics of ours, producers send most keys to another partition from
// then on: the bars of a symbol would go on in one that knows nothing of it, forming bars
// would stay open in the one of before, and duplicates would not be known.
func (c *Client) sameCount(before int64) error {
	now := int64(c.cfg.Layout.N)
	if before == 0 || before == now {
		return nil
	}
	return fmt.Errorf("the state is of %d partitions, topic %q has %d: %w", before, cut(c.cfg.Topics.Input), now, ErrCountChanged)
}

// joins refuses a partition without a state beside others whose state is of another number
// of partitions: it is one of those that were added.
func (c *Client) joins(ctx context.Context) error {
	before, err := c.counted.of(ctx, c)
	if err != nil {
		return err
	}
	return c.sameCount(before)
}

// countBefore is how many partitions the states of this client's partitions are of, asked
// once: a new deployment has no state in any of them, and restores all at a time.
type countBefore struct {
	turn  chan struct{} // holds one: who has taken it may touch what follows
	known bool
	n     int64 // 0: no state says it
}

func newCountBefore() countBefore {
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	return countBefore{turn: turn}
}

func (b *countBefore) of(ctx context.Context, c *Client) (int64, error) {
	select {
	case <-b.turn:
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for the states of other partitions: %w", context.Cause(ctx))
	}
	defer func() { b.turn <- struct{}{} }()
	if b.known {
		return b.n, nil
	}
	n, err := c.anyCount(ctx)
	if err != nil {
		return 0, err
	}
	b.known, b.n = true, n
	return n, nil
}

// anyCount is what the newest checkpoint of the first partition that has one says, 0 if
// there is none.
func (c *Client) anyCount(ctx context.Context) (int64, error) {
	topic := c.cfg.Topics.Name(State)
	starts, err := c.adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("asking where the partitions of %s start: %w", topic, err)
	}
	ends, err := c.adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("asking where the partitions of %s end: %w", topic, err)
	}
	for p := range c.cfg.Layout.N {
		start, ok1 := starts.Lookup(topic, p)
		end, ok2 := ends.Lookup(topic, p)
		if !ok1 || !ok2 || start.Err != nil || end.Err != nil || start.Offset >= end.Offset {
			continue
		}
		cp, _, err := c.newest(ctx, p, start.Offset, end.Offset)
		if err != nil {
			return 0, err
		}
		if cp != nil {
			return cp.Partitions, nil
		}
	}
	return 0, nil
}
