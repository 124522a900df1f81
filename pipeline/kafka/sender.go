package kafka

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// maxRoundRecords and maxRoundBytes stay below the client's own buffer limits,
// at which a manually flushed client refuses records.
const (
	maxRoundRecords = 40_000
	maxRoundBytes   = 32 << 20
	// maxChunkBytes leaves a chunk smaller than a batch (1 MB), so that what a
	// chunk has for one partition of one topic is one batch.
	maxChunkBytes   = 700 << 10
	maxChunkRecords = 5_000
)

// sender is the publisher goroutine: it sends in rounds. A round takes one chunk
// of every partition that waits, flushes and returns when all of it is
// acknowledged.
//
// Rounds instead of a linger: with a linger a unit may be cut into two batches
// that are in flight at once. Kafka keeps their order; the embedded broker
// forgets its producers when it is killed and may then take the second before
// the retried first, which the reader rule would turn into lost klines.
type sender struct {
	c    *Client
	jobs chan *sendJob
	next *sendJob // taken from jobs but too big for the round; the goroutine's own
}

type sendJob struct {
	recs []*kgo.Record
	size int
	left atomic.Int32
	done chan struct{} // closed when every record has an outcome
}

func newSender(c *Client) *sender {
	return &sender{c: c, jobs: make(chan *sendJob)}
}

func (s *sender) start() *safego.Handle {
	return safego.Go("publisher", s.c.fail, func() {
		for s.round() {
		}
	})
}

// round returns false when the incarnation has ended.
func (s *sender) round() bool {
	jobs := s.collect()
	if jobs == nil || s.c.Ended() != nil {
		return false
	}
	for _, j := range jobs {
		for _, r := range j.recs {
			s.c.out.Produce(s.c.out.Context(), r, j.promise(s.c))
		}
	}
	return s.c.out.Flush(s.c.ctx) == nil
}

func (j *sendJob) promise(c *Client) func(*kgo.Record, error) {
	return func(r *kgo.Record, err error) {
		if err != nil {
			c.fail(explainWrite(r.Topic, r.Partition, err))
		}
		if j.left.Add(-1) == 0 {
			close(j.done)
		}
	}
}

// collect waits for one job and takes what else is there.
func (s *sender) collect() []*sendJob {
	var jobs []*sendJob
	size, records := 0, 0
	for {
		j := s.next
		s.next = nil
		if j == nil {
			if j = s.take(len(jobs) == 0); j == nil {
				return jobs
			}
		}
		if len(jobs) > 0 && (size+j.size > maxRoundBytes || records+len(j.recs) > maxRoundRecords) {
			s.next = j
			return jobs
		}
		jobs = append(jobs, j)
		size += j.size
		records += len(j.recs)
	}
}

func (s *sender) take(wait bool) *sendJob {
	if !wait {
		select {
		case j := <-s.jobs:
			return j
		default:
			return nil
		}
	}
	select {
	case j := <-s.jobs:
		return j
	case <-s.c.ctx.Done():
		return nil
	}
}

// produce sends recs in order, chunk after chunk, and returns when all are
// acknowledged. An error means that the outcome is unknown: the incarnation has
// ended.
func (s *sender) produce(recs []*kgo.Record) error {
	for len(recs) > 0 {
		var j *sendJob
		j, recs = newJob(recs)
		select {
		case s.jobs <- j:
		case <-s.c.ctx.Done():
			return s.c.Ended()
		}
		select {
		case <-j.done:
		case <-s.c.ctx.Done():
		}
		if err := s.c.Ended(); err != nil {
			return err
		}
	}
	return nil
}

func newJob(recs []*kgo.Record) (*sendJob, []*kgo.Record) {
	j := &sendJob{done: make(chan struct{})}
	n := 0
	for n < len(recs) && n < maxChunkRecords {
		size := recordSize(recs[n])
		if n > 0 && j.size+size > maxChunkBytes {
			break
		}
		j.size += size
		n++
	}
	j.recs = recs[:n]
	j.left.Store(int32(n))
	return j, recs[n:]
}

func recordSize(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value) + 64
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value) + 4
	}
	return n
}

// ErrNotHeld means: the partition was revoked, lost or failed meanwhile; nothing was
// written and the incarnation goes on.
var ErrNotHeld = errors.New("the partition is not held any more")

// begin counts an unacknowledged write of p; end takes it back.
func (c *Client) begin(p int32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	pt := c.parts[p]
	if pt == nil || pt.failed {
		return fmt.Errorf("writing for partition %d: %w", p, ErrNotHeld)
	}
	pt.busy++
	return nil
}

func (c *Client) end(p int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pt := c.parts[p]; pt != nil {
		pt.busy--
	}
}
