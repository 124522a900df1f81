package kafka

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fence finds rivals that a restore could not: two that began on empty topics, or at the
// same time. The log gives their records an order. Each looks, before its transaction
// ends, at what stands between its last record of the state topic and this one; of two
// transactions that meet there the second sees the first, and is taken back.
type fence struct {
	mu    sync.Mutex // protects parts
	parts map[int32]*stateEnd
}

// stateEnd is how far the state topic of a partition is known.
type stateEnd struct {
	next    int64 // the offset of our next record, if nobody else writes
	markers int64 // of transactions of ours that stand behind next, or will
	gaps    []offsets
}

// offsets are those of [from, to).
type offsets struct{ from, to int64 }

// begin says that p is restored from what stands before end.
func (f *fence) begin(p int32, end int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.parts == nil {
		f.parts = map[int32]*stateEnd{}
	}
	f.parts[p] = &stateEnd{next: end}
}

// wrote takes the offsets of our records of the state topic, which are acknowledged.
func (f *fence) wrote(recs []*kgo.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range recs {
		e := f.parts[r.Partition]
		if e == nil {
			continue // lost meanwhile
		}
		// A marker takes one offset, and stands there before the next record of its
		// producer is taken: what is between them is somebody else's if it is more.
		if r.Offset-e.next > e.markers {
			e.gaps = append(e.gaps, offsets{e.next, r.Offset})
		}
		e.next, e.markers = r.Offset+1, 0
	}
}

// committed says that a transaction with records of ps has ended.
func (f *fence) committed(p int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.parts[p]; e != nil {
		e.markers++
	}
}

// take returns what nobody has looked at yet.
func (f *fence) take(p int32) []offsets {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.parts[p]
	if e == nil {
		return nil
	}
	gaps := e.gaps
	e.gaps = nil
	return gaps
}

// undisturbed returns ErrShared if another group has written between our records of the
// state of p. It reads only where there is something between them.
func (c *Client) undisturbed(ctx context.Context, p int32) error {
	for _, gap := range c.fence.take(p) {
		group, err := c.rivalIn(ctx, p, gap)
		if err != nil {
			return err
		}
		if group != "" {
			return fmt.Errorf("%s[%d] is written by group %q as well: %w", c.cfg.Topics.Name(State), p, cut(group), ErrShared)
		}
	}
	return nil
}

// rivalIn returns the first other group that wrote in the gap, also in a transaction that
// is open or was taken back: it is at work all the same.
func (c *Client) rivalIn(ctx context.Context, p int32, gap offsets) (group string, err error) {
	topic := c.cfg.Topics.Name(State)
	cl, err := c.cfg.Cluster.dialClient(append(spanOptions(), kgo.FetchIsolationLevel(kgo.ReadUncommitted()))...)
	if err != nil {
		return "", err
	}
	defer cl.Close()
	start, _, err := bounds(ctx, kadm.NewClient(cl), topic, p)
	if err != nil {
		return "", err
	}
	err = readWith(ctx, cl, topic, p, max(gap.from, start), gap.to, func(r *kgo.Record) bool {
		if l, ok := parseLink(r); ok && c.isRival(l.group) {
			group = l.group
		}
		return group == ""
	})
	return group, err
}
