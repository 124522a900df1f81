package kafka

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// Handler is the engine as a Client sees it. Assigned and Revoked may block
// (bounded by their ctx), the others must return at once. No two of them run at
// the same time for the same partition.
type Handler interface {
	// Assigned restores p (LoadCheckpoint, OpenJournal) and returns the offset
	// to read next. It runs in parallel for several partitions. An error marks p
	// failed, unless IsTransient: then it ends the incarnation.
	Assigned(ctx context.Context, p int32) (next int64, err error)
	// Batch takes over b; b.Release() gives it back.
	Batch(b *Batch)
	// Revoked: stop at a batch boundary, publish the last unit with a full
	// checkpoint, drop. What it published is committed when it has returned. The
	// client calls it also when Run ends well.
	Revoked(ctx context.Context, ps []int32)
	// Lost: drop everything, write nothing. It may name a partition whose
	// Assigned returned an error.
	Lost(ps []int32)
	// Failed: p must not go on; the partition is paused for good.
	Failed(p int32, err error)
}

// ClientConfig describes one incarnation.
type ClientConfig struct {
	Cluster Cluster
	Topics  Topics
	// Layout comes from Ensure.
	Layout Layout
	// Group is the consumer group. Default: caddy-kline.
	Group string
	// Node is the static member name, unique in the group.
	Node string
	// Transactional writes every unit in a Kafka transaction together with the
	// input offset, instead of one after the other. Any number of nodes.
	Transactional bool
	// Direct takes all partitions without joining the group. Offsets are still
	// committed under its name. For the embedded broker, which has one engine.
	Direct bool
	// SessionTimeout is after how long without a sign of life the group takes our
	// partitions away. Default: 45 s, longer than a restart.
	SessionTimeout time.Duration
	// RestoreTimeout bounds one partition's restore. Default: 50 s, below the
	// rebalance timeout of one minute.
	RestoreTimeout time.Duration
	// ReleaseTimeout bounds a release; beyond it the partitions count as lost.
	// Default: 10 s.
	ReleaseTimeout time.Duration
}

// Client is one incarnation: a consumer, a producer and the commits of the
// partitions it holds. All methods may be called from any goroutine.
type Client struct {
	cfg     ClientConfig
	h       Handler
	cl      *kgo.Client // consumes, commits
	out     *kgo.Client // produces: cl, or a transactional client of its own
	txn     *transactor // nil unless transactional
	adm     *kadm.Client
	nonce   string // wr: names the chains of this incarnation
	codec   *codec
	room    stateRoom
	fence   fence
	counted countBefore
	send    *sender
	commit  *committer

	// running is closed by Run. kgo joins the group as soon as its client is
	// built, and calls back before NewClient has returned.
	running chan struct{}

	ctx    context.Context // ends with the incarnation
	cancel context.CancelCauseFunc

	mu       sync.Mutex // protects the fields below
	parts    map[int32]*partition
	stopping bool // Run gives everything back: what the group assigns now is not taken
}

// partition is what the client knows about one partition it holds.
type partition struct {
	group   int64 // offset the group had when it was assigned, -1 none
	failed  bool
	leaving bool  // revoked or lost already, by whoever came first
	next    int64 // behind the last batch handed over
	end     int64 // high watermark of the last fetch; math.MaxInt64: not waiting there
	busy    int   // units and journal records of p not yet acknowledged
	asked   question
}

// NewClient builds an incarnation, which Run has to follow: as a member of a
// group it joins already, but no partition is handed over before Run.
func NewClient(cfg ClientConfig, h Handler) (*Client, error) {
	cfg.Cluster = cfg.Cluster.withDefaults()
	if cfg.Group == "" {
		cfg.Group = "caddy-kline"
	}
	if cfg.RestoreTimeout == 0 {
		cfg.RestoreTimeout = 50 * time.Second
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 45 * time.Second
	}
	if cfg.ReleaseTimeout == 0 {
		cfg.ReleaseTimeout = 10 * time.Second
	}
	if cfg.Layout.N <= 0 {
		return nil, errors.New("building a kafka client: the layout of the topics is unknown, call Ensure first")
	}
	if cfg.Direct && cfg.Transactional {
		return nil, errors.New("building a kafka client: transactions need a group, this source has none")
	}
	if cfg.Node == "" && !cfg.Direct {
		return nil, errors.New("building a kafka client: a member of a group needs a node id (word node)")
	}
	c := &Client{cfg: cfg, h: h, nonce: newNonce(), parts: map[int32]*partition{}, running: make(chan struct{}), counted: newCountBefore()}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	var err error
	if c.codec, err = newCodec(); err != nil {
		return nil, err
	}
	cl, err := cfg.Cluster.dialClient(c.clientOptions()...)
	if err != nil {
		return nil, err
	}
	c.cl, c.out, c.adm = cl, cl, kadm.NewClient(cl)
	if cfg.Transactional {
		if c.out, err = c.newTransactional(); err != nil {
			cl.Close()
			return nil, err
		}
		c.txn = newTransactor(c)
	}
	c.send = newSender(c)
	c.commit = newCommitter(c)
	return c, nil
}

func newNonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return hex.EncodeToString(b[:])
}

func (c *Client) clientOptions() []kgo.Opt {
	opts := append(consumerOptions(), kgo.WithHooks(hooks{c}))
	if !c.cfg.Transactional {
		opts = append(opts, producerOptions()...)
	}
	if c.cfg.Direct {
		return opts
	}
	return append(opts, c.groupOptions()...)
}

// producerOptions are those of the client that writes units.
func producerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// The sender flushes by itself, round by round: see there.
		kgo.ManualFlushing(),
		kgo.MaxBufferedRecords(50_000), kgo.MaxBufferedBytes(64 << 20),
	}
}

// consumerOptions are shared by every consumer of this package.
func consumerOptions() []kgo.Opt {
	return []kgo.Opt{
		// Both, always: NoResetOffset alone lets a new group start at the end.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Markers are kept and dropped by us: without them the position of a
		// reader never reaches the end of a log that ends with one.
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.FetchMaxBytes(8 << 20), kgo.FetchMaxPartitionBytes(512 << 10),
		kgo.MaxConcurrentFetches(2),
	}
}

// Nonce is the name of this incarnation, the header wr of its checkpoints.
func (c *Client) Nonce() string { return c.nonce }

// Run consumes until ctx ends or the incarnation does. With ctx it releases all
// partitions (Handler.Revoked) and returns nil; otherwise it tells the handler
// that they are lost and returns what ended the incarnation. It may be called
// once.
func (c *Client) Run(ctx context.Context) error {
	tasks := []*safego.Handle{c.send.start(), c.commit.start()}
	err := c.work(ctx, &tasks)
	if err == nil {
		c.releaseAll()
	}
	c.fail(cmpErr(err, ErrEnded))
	c.loseAll()
	c.commit.stop()
	for _, task := range tasks {
		task.Wait()
	}
	// Aborting before closing: a buffered record that Close would still send
	// could land behind the hole that ended the incarnation.
	c.out.UnsafeAbortBufferedRecords()
	c.cl.CloseAllowingRebalance()
	if c.out != c.cl {
		c.out.Close()
	}
	return err
}

// work takes the place of our predecessor and consumes.
func (c *Client) work(ctx context.Context, tasks *[]*safego.Handle) error {
	if c.txn != nil {
		if err := c.fencePredecessor(ctx); err != nil {
			return stopped(ctx, err)
		}
		*tasks = append(*tasks, c.txn.start())
	}
	close(c.running)
	var err error
	// A panic in here ends the incarnation. Without this it would end the engine: nobody would consume until the process is started again.
	poll := safego.Go("poll loop", func(panicked error) { err = panicked }, func() { err = c.consume(ctx) })
	poll.Wait()
	return err
}

func cmpErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// fail ends the incarnation: from here on nothing is sent or committed. The
// first cause stays.
func (c *Client) fail(err error) {
	c.cancel(fmt.Errorf("%w: %w", ErrEnded, explain(err)))
}

// Ended returns nil, or what ended the incarnation.
func (c *Client) Ended() error { return context.Cause(c.ctx) }

// Pause stops the fetching of p; one more batch may come.
func (c *Client) Pause(p int32) {
	c.mu.Lock()
	if pt := c.parts[p]; pt != nil {
		pt.end = math.MaxInt64 // what comes after a pause was not waited for
	}
	c.mu.Unlock()
	c.cl.PauseFetchPartitions(c.only(p))
}

// Resume undoes Pause. A failed partition stays paused.
func (c *Client) Resume(p int32) {
	c.mu.Lock()
	pt := c.parts[p]
	stay := pt != nil && pt.failed
	c.mu.Unlock()
	if !stay {
		c.cl.ResumeFetchPartitions(c.only(p))
	}
}

func (c *Client) only(ps ...int32) map[string][]int32 {
	return map[string][]int32{c.cfg.Topics.Input: ps}
}

// failPartition stops p for good and tells the handler, once.
func (c *Client) failPartition(p int32, err error) {
	c.mu.Lock()
	pt := c.parts[p]
	if pt == nil || pt.failed {
		c.mu.Unlock()
		return
	}
	pt.failed = true
	c.mu.Unlock()
	c.cl.PauseFetchPartitions(c.only(p))
	c.commit.forget(p)
	err = c.explainFailed(err)
	c.cfg.Cluster.Log.Error("partition failed", "partition", p, "error", err)
	c.h.Failed(p, err)
}

// partition returns what is known about p, nil if it is not held.
func (c *Client) partition(p int32) *partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parts[p]
}

// failed tells whether p was stopped for good.
func (c *Client) failed(p int32) bool {
	pt := c.partition(p)
	if pt == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return pt.failed
}

func (c *Client) held() []int32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ps := make([]int32, 0, len(c.parts))
	for p := range c.parts {
		ps = append(ps, p)
	}
	return ps
}

// hooks are called by kgo from its own goroutines.
type hooks struct{ c *Client }

// OnBrokerDisconnect forgets who was waiting at the end of its partition: what
// arrives after a broken connection may have waited in the log.
func (h hooks) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	for _, pt := range h.c.parts {
		pt.end = math.MaxInt64
	}
}

// OnBrokerThrottle counts.
func (h hooks) OnBrokerThrottle(_ kgo.BrokerMetadata, d time.Duration, _ bool) {
	h.c.cfg.Cluster.Observer.Throttled(d)
}

var (
	_ kgo.HookBrokerDisconnect = hooks{}
	_ kgo.HookBrokerThrottle   = hooks{}
)
