package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// LoadCheckpoint returns the newest complete checkpoint of p. It reads to the
// high watermark of the state topic, not to the last stable offset: markers of a
// transaction reach its partitions one by one, and state may get its own later
// than the offset.
//
// A damaged snapshot makes it step back to the one before: an older one is never
// wrong, it replays more. ErrNoCheckpoint: a new partition. ErrStateLost: the
// group has an offset, or state holds snapshots, and none is usable. ErrInputLost and
// ErrCountChanged: the state is not that of the input as it is now. ErrShared: another
// group is at work on it.
func (c *Client) LoadCheckpoint(ctx context.Context, p int32) (*Checkpoint, error) {
	topic := c.cfg.Topics.Name(State)
	start, end, err := bounds(ctx, c.adm, topic, p)
	if err != nil {
		return nil, err
	}
	c.fence.begin(p, end)
	cp, damaged, err := c.newest(ctx, p, start, end)
	if err != nil {
		return nil, err
	}
	if cp != nil {
		if err := c.fits(ctx, cp); err != nil {
			return nil, fmt.Errorf("restoring partition %d at offset %d: %w", p, cp.To, err)
		}
		if err := c.alone(ctx, cp.Group); err != nil {
			return nil, fmt.Errorf("restoring partition %d: %w", p, err)
		}
		c.makeRoom(p, cp.size)
	}
	group := c.GroupOffset(p)
	switch {
	case cp == nil && (damaged || group >= 0):
		return nil, fmt.Errorf("restoring partition %d (the group stands at %d, %s[%d] holds %d..%d): %w", p, group, topic, p, start, end, ErrStateLost)
	case cp == nil:
		if err := c.joins(ctx); err != nil {
			return nil, fmt.Errorf("restoring partition %d, a new one: %w", p, err)
		}
		return nil, fmt.Errorf("restoring partition %d: %w", p, ErrNoCheckpoint)
	case group > cp.Published.To:
		// The unit of the commit was lost from state. What is published twice
		// now, the reader rule drops.
		c.cfg.Cluster.Log.Error("the group is ahead of the newest checkpoint: seeking back",
			"partition", p, "group", group, "checkpoint", cp.To)
	}
	return cp, nil
}

// newest looks at the end of the log first and steps back as far as it must:
// the last record, 64 offsets, ever more, everything.
func (c *Client) newest(ctx context.Context, p int32, start, end int64) (cp *Checkpoint, damaged bool, err error) {
	low := end
	for step := int64(1); low > start; step *= 64 {
		low = max(start, end-step)
		links, err := c.readLinks(ctx, p, low, end)
		if err != nil {
			return nil, false, err
		}
		// The last part of a snapshot names where the snapshot begins.
		if n := len(links); n > 0 && links[n-1].full < low {
			low = max(start, links[n-1].full)
			if links, err = c.readLinks(ctx, p, low, end); err != nil {
				return nil, false, err
			}
		}
		cp, bad := c.pick(links)
		damaged = damaged || bad
		if cp != nil {
			return cp, damaged, nil
		}
	}
	return nil, damaged, nil
}

func (c *Client) readLinks(ctx context.Context, p int32, low, end int64) ([]link, error) {
	var links []link
	err := c.cfg.Cluster.readSpan(ctx, c.cfg.Topics.Name(State), p, low, end, func(r *kgo.Record) bool {
		if l, ok := parseLink(r); ok {
			links = append(links, l)
		}
		return true
	})
	return links, err
}

// pick returns the newest snapshot of links that is complete and undamaged, in
// log order of its first record. damaged tells that a complete one was unusable.
func (c *Client) pick(links []link) (cp *Checkpoint, damaged bool) {
	for i := len(links) - 1; i >= 0; i-- {
		if links[i].part != 1 {
			continue
		}
		frame, ok := join(links[i:])
		if !ok {
			continue
		}
		l := links[i]
		body, err := c.codec.open(frame)
		if err != nil {
			damaged = true
			c.cfg.Cluster.Log.Error("skipping a checkpoint, an older one will do", "offset", l.offset, "error", err)
			continue
		}
		cp := &Checkpoint{From: l.from, To: l.to, JN: l.jn, Cfg: l.cfg, Input: l.in, Partitions: l.n, Group: links[len(links)-1].group, Body: body, Offset: l.offset, size: len(frame)}
		cp.Published = newestMark(links, Published{To: l.to, JN: l.jn})
		return cp, damaged
	}
	return nil, damaged
}

// newestMark is how far everything is published: what the furthest record of
// the log says, snapshot or mark, also one whose body is damaged.
func newestMark(links []link, at Published) Published {
	for _, l := range links {
		if l.part == 0 || l.part == l.of {
			at.To, at.JN = max(at.To, l.to), max(at.JN, l.jn)
		}
	}
	return at
}

// join puts the parts of the snapshot that begins at links[0] together. Between
// them may stand records of another incarnation.
func join(links []link) ([]byte, bool) {
	first := links[0]
	if first.of == 1 {
		return first.value, true
	}
	frame := append([]byte(nil), first.value...)
	want := 2
	for _, l := range links[1:] {
		if l.wr != first.wr || l.full != first.offset || l.part != want || l.of != first.of || l.to != first.to {
			continue
		}
		frame = append(frame, l.value...)
		if want++; want > first.of {
			return frame, true
		}
	}
	return nil, false
}
