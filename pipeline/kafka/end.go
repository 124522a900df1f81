package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// endTimeout bounds one question for the end of a partition.
const endTimeout = 5 * time.Second

// question is what a partition's leader was asked last about its end.
type question struct {
	busy bool      // no answer yet
	at   time.Time // when it was asked; zero: there is no answer to take
	end  int64
}

// AtEnd reports whether the log of p held nothing beyond offset, and when that
// was. It never blocks: the first call asks the leader, a later one takes the
// answer, each answer once. That fetches bring nothing does not say so: the
// network may stand still, or the leader refuse the partition for a while.
func (c *Client) AtEnd(p int32, offset int64) (asOf time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pt := c.parts[p]
	if pt == nil || pt.failed || pt.asked.busy {
		return time.Time{}, false
	}
	if asOf, ok = pt.asked.at, !pt.asked.at.IsZero() && pt.asked.end <= offset; !pt.asked.at.IsZero() {
		pt.asked = question{}
		return asOf, ok
	}
	pt.asked.busy = true
	safego.Go("question for the end of a partition", c.fail, func() { c.ask(p, pt) })
	return time.Time{}, false
}

// ask answers the question of pt, or takes it back.
func (c *Client) ask(p int32, pt *partition) {
	ctx, cancel := context.WithTimeout(c.ctx, endTimeout)
	defer cancel()
	answer := question{at: c.now()}
	var err error
	if answer.end, err = c.endOf(ctx, p); err != nil {
		answer = question{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pt.asked = answer
}

// endOf asks for the high watermark of one partition of the input.
func (c *Client) endOf(ctx context.Context, p int32) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = c.cfg.Topics.Input
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = p, -1 // the end
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		return 0, fmt.Errorf("asking for the end of %s[%d]: %w", c.cfg.Topics.Input, p, err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("asking for the end of a partition: the answer is about something else")
	}
	got := resp.Topics[0].Partitions[0]
	return got.Offset, kerr.ErrorForCode(got.ErrorCode)
}
