package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
)

// Out is one output record. It goes to the partition of its unit.
type Out struct {
	Topic      TopicKind
	Key, Value []byte
	Headers    []Header
	// Timestamp is the Kafka timestamp of the input record that caused it, ms:
	// a replay writes identical records.
	Timestamp int64
}

// Unit is what one publish makes durable together.
type Unit struct {
	// P is the partition of everything in it.
	P int32
	// Outs in the order of their positions.
	Outs []Out
	// Checkpoint, if not nil, is written when Outs are acknowledged. In a
	// transaction its JN is filled in here.
	Checkpoint *Checkpoint
	// To is the input offset behind all that Outs were made from; below 0 when
	// the unit ends in the middle of a position and its rest follows. Meta goes
	// beside it. Both count in transactions only.
	To   int64
	Meta CommitMeta
	// Decisions have acted already: in a transaction they are written together
	// with what they caused. Without transactions there are none here, see
	// Decide.
	Decisions []JournalRecord
}

// Publish writes u in the order outputs, all acks, checkpoint, ack; the input
// offset is committed behind it, by a commit that covers older ones. Units of
// one partition must be published one after the other. It returns when the
// checkpoint (without one: the outputs) is acknowledged. In transactions
// acknowledged is not visible yet: the commit follows within its interval, and
// whatever fails before it takes the unit back with the whole incarnation.
//
// Any error but ErrNotHeld ends the incarnation: the outcome of the send is
// unknown, and a record written later could land behind a hole. That includes a
// ctx that ends while acks are outstanding.
func (c *Client) Publish(ctx context.Context, u *Unit) error {
	if err := c.begin(u.P); err != nil {
		return err
	}
	defer c.end(u.P)
	defer c.endWith(ctx, "publishing")()
	failpoint.Hit(failpoint.BeforePublish)
	began := c.cfg.Cluster.Clock.Now()
	if c.txn != nil {
		size, err := c.txn.publish(u)
		if err != nil {
			return err
		}
		c.cfg.Cluster.Observer.Published(u.P, len(u.Outs), size, c.cfg.Cluster.Clock.Now().Sub(began))
		return nil
	}
	if err := c.send.produce(c.outputs(u)); err != nil {
		return fmt.Errorf("publishing the outputs of partition %d: %w", u.P, err)
	}
	failpoint.Hit(failpoint.AfterPublish)
	size := 0
	if cp := u.Checkpoint; cp != nil {
		var err error
		if size, err = c.writeCheckpoint(u.P, cp); err != nil {
			return fmt.Errorf("writing the checkpoint of partition %d: %w", u.P, err)
		}
		if err = c.undisturbed(ctx, u.P); err != nil {
			c.fail(err)
			return err
		}
		if c.holds(u.P) {
			c.commit.add(u.P, mark{next: cp.To, meta: cp.Meta})
		}
	}
	c.cfg.Cluster.Observer.Published(u.P, len(u.Outs), size, c.cfg.Cluster.Clock.Now().Sub(began))
	return nil
}

func (c *Client) outputs(u *Unit) []*kgo.Record {
	recs := make([]kgo.Record, len(u.Outs))
	refs := make([]*kgo.Record, len(u.Outs))
	for i := range u.Outs {
		o := &u.Outs[i]
		recs[i] = kgo.Record{
			Topic: c.cfg.Topics.Name(o.Topic), Partition: u.P,
			Key: o.Key, Value: o.Value, Headers: o.Headers, Timestamp: time.UnixMilli(o.Timestamp),
		}
		refs[i] = &recs[i]
	}
	return refs
}

// endWith ends the incarnation if ctx ends before the returned function is
// called: acks are outstanding then.
func (c *Client) endWith(ctx context.Context, what string) func() {
	stop := context.AfterFunc(ctx, func() {
		c.fail(fmt.Errorf("%s: gave up waiting for acks: %w", what, context.Cause(ctx)))
	})
	return func() { stop() }
}

func (c *Client) holds(p int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	pt := c.parts[p]
	return pt != nil && !pt.failed
}
