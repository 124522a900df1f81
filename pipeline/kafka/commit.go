package kafka

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// commitDeadline bounds one commit. An error is counted and the next commit
// covers it: the group's offset is a hint, the checkpoint rules.
const commitDeadline = 5 * time.Second

// CommitMeta travels with the group's offset, for whoever has to rebuild a lost
// state.
type CommitMeta struct {
	// WM is the watermark, ms.
	WM int64
	// Low is the lowest input offset that feeds an open bar.
	Low int64
}

func (m CommitMeta) encode() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(m.WM))
	binary.LittleEndian.PutUint64(b[8:], uint64(m.Low))
	return base64.StdEncoding.EncodeToString(b[:])
}

// DecodeCommitMeta reads what stands beside a committed offset; false if it is
// not ours.
func DecodeCommitMeta(s string) (CommitMeta, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 16 {
		return CommitMeta{}, false
	}
	return CommitMeta{WM: int64(binary.LittleEndian.Uint64(b)), Low: int64(binary.LittleEndian.Uint64(b[8:]))}, true
}

// mark is an offset whose checkpoint is acknowledged.
type mark struct {
	next int64
	meta CommitMeta
}

// committer commits the newest mark of every partition, one commit at a time:
// commits that overtake each other would move an offset back. It runs beside
// the units, which do not wait for it.
type committer struct {
	c    *Client
	kick chan struct{}
	done chan struct{}

	mu      sync.Mutex // protects pending and idle
	pending map[int32]mark
	idle    chan struct{} // closed when nothing is pending or flying
}

func newCommitter(c *Client) *committer {
	idle := make(chan struct{})
	close(idle)
	return &committer{c: c, kick: make(chan struct{}, 1), done: make(chan struct{}), pending: map[int32]mark{}, idle: idle}
}

func (k *committer) start() *safego.Handle {
	return safego.Go("offset commits", k.c.fail, func() {
		for {
			select {
			case <-k.kick:
				k.round()
			case <-k.done:
				return
			}
		}
	})
}

func (k *committer) stop() { close(k.done) }

// add leaves m to be committed. Older marks of p are covered by it.
func (k *committer) add(p int32, m mark) {
	k.mu.Lock()
	k.pending[p] = m
	if k.isIdle() {
		k.idle = make(chan struct{})
	}
	k.mu.Unlock()
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

func (k *committer) isIdle() bool {
	select {
	case <-k.idle:
		return true
	default:
		return false
	}
}

// forget takes back what is pending for p.
func (k *committer) forget(p int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pending, p)
}

// drain waits until nothing is pending any more, or for ctx.
func (k *committer) drain(ctx context.Context) {
	k.mu.Lock()
	idle := k.idle
	k.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	case <-k.c.ctx.Done():
	}
}

func (k *committer) round() {
	k.mu.Lock()
	now := k.pending
	k.pending = map[int32]mark{}
	k.mu.Unlock()
	if len(now) > 0 && k.c.Ended() == nil {
		ctx, cancel := context.WithTimeout(k.c.ctx, commitDeadline)
		failpoint.Hit(failpoint.BeforeCommit)
		failed := k.c.commitMarks(ctx, now)
		failpoint.Hit(failpoint.AfterCommit)
		cancel()
		for p, err := range failed {
			k.c.cfg.Cluster.Observer.CommitFailed(p, err)
			k.c.cfg.Cluster.Log.Warn("committing an offset failed, the next commit covers it", "partition", p, "error", err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.pending) == 0 && !k.isIdle() {
		close(k.idle)
	}
}

func (c *Client) commitMarks(ctx context.Context, now map[int32]mark) map[int32]error {
	if c.cfg.Direct {
		return c.commitDirect(ctx, now)
	}
	return c.commitMember(ctx, now)
}

// commitMember commits as a member of the group: the broker refuses it if the
// generation is over.
func (c *Client) commitMember(ctx context.Context, now map[int32]mark) map[int32]error {
	offsets := make(map[int32]kgo.EpochOffset, len(now))
	for p, m := range now {
		offsets[p] = kgo.EpochOffset{Epoch: -1, Offset: m.next}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				rp := &req.Topics[i].Partitions[j]
				meta := now[rp.Partition].meta.encode()
				rp.Metadata = &meta
			}
		}
		return nil
	})
	failed := make(map[int32]error)
	c.cl.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{c.cfg.Topics.Input: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				for p := range maps.Keys(now) {
					failed[p] = err
				}
				return
			}
			for _, t := range resp.Topics {
				for _, rp := range t.Partitions {
					if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
						failed[rp.Partition] = err
					}
				}
			}
		})
	return failed
}
