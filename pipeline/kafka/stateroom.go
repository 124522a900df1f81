package kafka

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// snapshotsKept is how many full snapshots the topic state has to hold: while one is
// written, the one before it must be whole, and retention goes by bytes.
const snapshotsKept = 3

// alterTimeout bounds a change of the topic's retention.
const alterTimeout = 10 * time.Second

// stateRoom is the retention of the topic state on the embedded broker, whose share of
// the configured bytes says nothing about the size of a snapshot: of one that is larger
// than the share the broker would remove the first parts within a minute, and the
// partition would have lost its state with the next kill.
type stateRoom struct {
	mu    sync.Mutex // protects bytes
	bytes int64      // retention.bytes per partition; 0: not asked yet, below 0: no limit
}

// makeRoom has the embedded broker keep enough of the topic state for snapshots of
// size bytes. A failure costs the safety alone, and is tried again with the next one.
func (c *Client) makeRoom(p int32, size int) {
	if !c.cfg.Direct {
		return
	}
	c.room.mu.Lock()
	defer c.room.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, alterTimeout)
	defer cancel()
	before, after, err := c.widen(ctx, int64(size))
	switch log := c.cfg.Cluster.Log; {
	case err != nil && c.Ended() == nil:
		log.Warn("the embedded broker may remove a checkpoint before there is another", "partition", p, "bytes", size, "error", err)
	case after > before:
		log.Warn("the state of a partition is larger than its share of the word retention: the topic state may take more than that",
			"partition", p, "bytes", size, "share", before, "now", after)
	}
}

// widen raises the retention if it is too short, and returns what it was and is. The
// lock of the room is held.
func (c *Client) widen(ctx context.Context, size int64) (before, after int64, err error) {
	r, topic := &c.room, c.cfg.Topics.Name(State)
	if r.bytes == 0 {
		configs, err := c.adm.DescribeTopicConfigs(ctx, topic)
		if err != nil {
			return 0, 0, fmt.Errorf("asking for the retention of %s: %w", topic, err)
		}
		if r.bytes, err = strconv.ParseInt(configValue(configs, topic, "retention.bytes"), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("reading the retention of %s: %w", topic, err)
		}
	}
	before = r.bytes
	if before < 0 || snapshotsKept*size <= before {
		return before, before, nil
	}
	after = snapshotsKept * size * 3 / 2 // a state that grows must not ask each time
	value := strconv.FormatInt(after, 10)
	answers, err := c.adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.bytes", Value: &value}}, topic)
	for _, a := range answers {
		if err == nil {
			err = a.Err
		}
	}
	if err != nil {
		return before, before, fmt.Errorf("raising the retention of %s: %w", topic, err)
	}
	r.bytes = after
	return before, after, nil
}
