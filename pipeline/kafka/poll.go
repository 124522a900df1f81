package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
)

// maxPollRecords bounds one poll, so that one call hands a worker a few batches
// at most even if a fetch unpacks to much more than it weighed on the wire.
const maxPollRecords = 16_384

// consume polls until ctx ends (nil) or the incarnation does.
func (c *Client) consume(ctx context.Context) error {
	if c.cfg.Direct {
		if err := c.takeAll(ctx); err != nil {
			return stopped(ctx, err)
		}
	}
	poll, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	for {
		fetches := c.cl.PollRecords(poll, maxPollRecords)
		err := c.handle(fetches)
		if ctx.Err() != nil {
			return nil
		}
		if cause := c.Ended(); cause != nil {
			return cause
		}
		if err != nil {
			return err
		}
	}
}

func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the caller ended it; what that broke is no news
	}
	return err
}

// handle hands over what came and then looks at the errors: a fetch may bring both,
// and the client stands behind the records already. Every path lets the group
// rebalance again.
func (c *Client) handle(fetches kgo.Fetches) error {
	defer c.cl.AllowRebalance()
	var end error
	fetches.EachPartition(func(ft kgo.FetchTopicPartition) {
		c.deliver(ft.FetchPartition)
		if big := oversized(ft.Err); big != nil {
			c.pass(ft.FetchPartition, big)
			return
		}
		if ft.Err != nil {
			if err := c.fetchFailed(ft.Topic, ft.Partition, ft.Err); err != nil && end == nil {
				end = err
			}
		}
	})
	return end
}

// pass hands over a record in the place of a batch that is too large to be read, so
// that it is told where it was, and goes on behind it.
func (c *Client) pass(fp kgo.FetchPartition, big *kgo.ErrDecompressTooLarge) {
	c.mu.Lock()
	pt := c.parts[fp.Partition]
	if pt == nil || pt.failed {
		c.mu.Unlock()
		return
	}
	next := pt.next
	pt.next, pt.end = big.NextOffset, math.MaxInt64
	c.mu.Unlock()
	c.cfg.Cluster.Log.Error("a batch of the input was left out: it unpacks to more than the limit", "partition", fp.Partition,
		"from", big.Offset, "to", big.NextOffset-1, "limit", maxUnpacked)
	pass(c.cl, big)
	b := batchPool.Get().(*Batch)
	b.Records = append(b.Records, standIn(big, next)...)
	b.P, b.Next, b.HighWatermark, b.LogStart = fp.Partition, big.NextOffset, fp.HighWatermark, fp.LogStartOffset
	c.h.Batch(b)
}

// fetchFailed returns an error only if it ends the incarnation.
func (c *Client) fetchFailed(topic string, p int32, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	err = explainAccess(err)
	c.cfg.Cluster.Observer.FetchFailed(p, err)
	var session *kgo.ErrGroupSession
	switch {
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("polling: %w", err)
	case errors.Is(err, kerr.FencedInstanceID):
		return fmt.Errorf("polling: %w (%w)", ErrFencedInstance, err)
	case errors.As(err, &session):
		// The member rejoins by itself; its partitions went through Lost.
		c.cfg.Cluster.Log.Warn("group session ended, joining again", "group", c.cfg.Group, "error", err)
	case topic == c.cfg.Topics.Input && p >= 0 && isDataLoss(err):
		c.failPartition(p, explainLoss(topic, p, err))
	default:
		c.distrustEnd(p)
		c.cfg.Cluster.Log.Warn("fetching failed, trying again", "topic", topic, "partition", p, "error", err)
	}
	return nil
}

func (c *Client) distrustEnd(p int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pt := c.parts[p]; pt != nil {
		pt.end = math.MaxInt64
	}
}

// deliver cuts what one fetch brought for p into batches and hands them over.
func (c *Client) deliver(fp kgo.FetchPartition) {
	c.mu.Lock()
	pt := c.parts[fp.Partition]
	if pt == nil || pt.failed || len(fp.Records) == 0 {
		c.mu.Unlock()
		return
	}
	atEnd := pt.next >= pt.end && pt.end != math.MaxInt64
	pt.next = fp.Records[len(fp.Records)-1].Offset + 1
	pt.end = fp.HighWatermark
	c.mu.Unlock()
	for rest := fp.Records; len(rest) > 0; {
		var b *Batch
		b, rest = cutBatch(rest)
		b.P, b.HighWatermark, b.LogStart, b.AtEnd = fp.Partition, fp.HighWatermark, fp.LogStartOffset, atEnd
		c.cfg.Cluster.Observer.Fetched(b.P, len(b.Records), b.bytes, max(0, b.HighWatermark-b.Next))
		failpoint.Hit(failpoint.AfterPoll)
		c.h.Batch(b)
	}
}

// cutBatch takes up to maxBatchBytes from the front of rs, at least one record.
// Markers of transactions move Next and are not handed over.
func cutBatch(rs []*kgo.Record) (*Batch, []*kgo.Record) {
	b := batchPool.Get().(*Batch)
	for i, r := range rs {
		if r.Attrs.IsControl() {
			b.Next = r.Offset + 1
			continue
		}
		rec := viewOf(r)
		if size := rec.size(); b.bytes+size > maxBatchBytes && len(b.Records) > 0 {
			return b, rs[i:]
		} else {
			b.bytes += size
		}
		b.Records = append(b.Records, rec)
		b.Next = r.Offset + 1
	}
	return b, nil
}
