package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

const (
	// commitInterval is the least time between two commits. Each costs a marker
	// in every partition it touched.
	commitInterval = 50 * time.Millisecond
	// commitShare keeps commits rare while brokers answer slowly or units are
	// long: the time to the next is at least that many times what the last one
	// took, with the wait for the units that were on their way.
	commitShare       = 4
	maxCommitInterval = 500 * time.Millisecond
)

// transactor puts the units of all partitions into one transaction after the
// other: outputs, journal records, what the state topic gets, and the input
// offsets with the generation of the group, so that the broker refuses all of
// it together when this member is not the owner any more (KIP-447).
//
// Units enter while the transaction is open. A commit waits until no unit is on
// its way and no partition is in the middle of a position.
type transactor struct {
	c    *Client
	kick chan struct{}

	mu      sync.Mutex    // protects the fields below
	changed chan struct{} // closed and replaced whenever one of them changes
	open    bool
	closing bool // a commit is under way: only what it waits for gets in
	inside  int  // units on their way
	parts   map[int32]*part
	jn      map[int32]int64 // journal offset behind the last record that counts, per partition
	ended   time.Time       // of the last commit
	// interval is the least time from that to the next.
	interval time.Duration
	hurried  bool // somebody waits for the commit
}

// part is one partition's share of the open transaction.
type part struct {
	holder *partition // the assignment that it belongs to
	to     int64      // input offset behind the last complete unit; below 0: in the middle of one
	meta   CommitMeta
	// What the newest record of the state topic in this transaction says; -1: none.
	stateTo, stateJN int64
}

func newTransactor(c *Client) *transactor {
	return &transactor{
		c: c, kick: make(chan struct{}, 1), changed: make(chan struct{}),
		parts: map[int32]*part{}, jn: map[int32]int64{},
	}
}

func (t *transactor) start() *safego.Handle {
	return safego.Go("transactions", t.c.fail, func() {
		for {
			select {
			case <-t.kick:
				if err := t.round(); err != nil {
					t.c.fail(err)
					return
				}
			case <-t.c.ctx.Done():
				return
			}
		}
	})
}

// publish writes u into the open transaction, beginning one if there is none.
// It returns when everything is acknowledged; nobody sees it before the commit.
func (t *transactor) publish(u *Unit) (size int, err error) {
	if err := t.enter(u.P); err != nil {
		return 0, err
	}
	// Until the unit is complete its partition stands in the middle of one.
	done := part{to: -1, stateTo: -1, stateJN: -1}
	defer func() { t.leave(u.P, done) }()
	recs := append(t.c.decisions(u), t.c.outputs(u)...)
	if err := t.c.send.produce(recs); err != nil {
		return 0, fmt.Errorf("publishing the outputs of partition %d: %w", u.P, err)
	}
	failpoint.Hit(failpoint.AfterPublish)
	if n := len(u.Decisions); n > 0 {
		t.setJournalEnd(u.P, recs[n-1].Offset+1)
	}
	switch cp := u.Checkpoint; {
	case cp != nil:
		cp.JN = t.journalEnd(u.P)
		if size, err = t.c.writeCheckpoint(u.P, cp); err != nil {
			return 0, fmt.Errorf("writing the checkpoint of partition %d: %w", u.P, err)
		}
		done = part{to: cp.To, meta: cp.Meta, stateTo: cp.To, stateJN: cp.JN}
	case u.To >= 0:
		done.to, done.meta = u.To, u.Meta
	}
	return size, nil
}

// enter waits for a transaction that takes units of p.
func (t *transactor) enter(p int32) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if err := t.c.Ended(); err != nil {
			return err
		}
		pt := t.parts[p]
		if !t.closing || pt != nil && pt.to < 0 {
			break
		}
		t.wait(t.c.ctx)
	}
	if !t.open {
		if err := t.c.out.BeginTransaction(); err != nil {
			err = fmt.Errorf("beginning a transaction: %w", err)
			t.c.fail(err)
			return err
		}
		t.open = true
	}
	if t.parts[p] == nil {
		t.parts[p] = &part{holder: t.c.partition(p), stateTo: -1, stateJN: -1}
	}
	t.parts[p].to = -1
	t.inside++
	return nil
}

func (t *transactor) leave(p int32, done part) {
	t.mu.Lock()
	pt := t.parts[p]
	pt.to, pt.meta = done.to, done.meta
	if done.stateTo >= 0 {
		pt.stateTo, pt.stateJN = done.stateTo, done.stateJN
	}
	t.inside--
	t.broadcast()
	t.mu.Unlock()
	t.poke()
}

func (t *transactor) poke() {
	select {
	case t.kick <- struct{}{}:
	default:
	}
}

// wait lets go of the lock until something changes or ctx ends.
func (t *transactor) wait(ctx context.Context) {
	changed := t.changed
	t.mu.Unlock()
	defer t.mu.Lock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

// broadcast wakes everybody in wait. The lock is held.
func (t *transactor) broadcast() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// settle waits until nothing of ps is in a transaction, or for ctx.
func (t *transactor) settle(ctx context.Context, ps []int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.holdsAny(ps) && ctx.Err() == nil && t.c.Ended() == nil {
		t.hurried = true
		t.broadcast()
		t.poke()
		t.wait(ctx)
	}
}

// dirty reports whether something of ps is in the open transaction.
func (t *transactor) dirty(ps []int32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holdsAny(ps)
}

func (t *transactor) holdsAny(ps []int32) bool {
	return slices.ContainsFunc(ps, func(p int32) bool { return t.parts[p] != nil })
}

// round commits what is in the open transaction once the interval is over.
func (t *transactor) round() error {
	if !t.pace() {
		return nil
	}
	closing := t.c.now()
	parts, err := t.close()
	if err != nil || len(parts) == 0 {
		return err
	}
	began := t.c.now()
	ctx, cancel := context.WithTimeout(t.c.ctx, t.c.transactionTimeout())
	defer cancel()
	err = t.commit(ctx, parts)
	t.c.cfg.Cluster.Observer.Transaction(resultOf(err), t.c.now().Sub(began))
	if err != nil {
		return fmt.Errorf("committing a transaction: %w", err)
	}
	failpoint.Hit(failpoint.AfterCommit)
	t.reopen(t.c.now().Sub(closing))
	return nil
}

// pace waits until a commit is due. It returns false if the incarnation ended.
func (t *transactor) pace() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := t.interval - t.c.now().Sub(t.ended)
	if left <= 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(t.c.ctx, left)
	defer cancel()
	for !t.hurried && ctx.Err() == nil {
		t.wait(ctx)
	}
	return t.c.ctx.Err() == nil
}

// close lets nobody in any more and waits until every partition is between two
// positions.
func (t *transactor) close() (map[int32]*part, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = true
	for t.inside > 0 || t.midway() {
		if err := t.c.Ended(); err != nil {
			return nil, err
		}
		if p, ok := t.stuck(); ok {
			return nil, fmt.Errorf("closing a transaction: partition %d failed in the middle of a unit", p)
		}
		t.wait(t.c.ctx)
	}
	if len(t.parts) == 0 {
		t.closing, t.hurried = false, false
		t.broadcast()
		return nil, nil
	}
	return t.parts, nil // nobody gets in before reopen
}

func (t *transactor) midway() bool {
	for _, pt := range t.parts {
		if pt.to < 0 {
			return true
		}
	}
	return false
}

// stuck finds a partition that will never get out of the middle: it failed.
func (t *transactor) stuck() (int32, bool) {
	for p, pt := range t.parts {
		if pt.to < 0 && t.c.failed(p) {
			return p, true
		}
	}
	return 0, false
}

// reopen forgets the committed transaction and lets units in again.
func (t *transactor) reopen(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open, t.closing, t.hurried = false, false, false
	t.parts = map[int32]*part{}
	t.ended = t.c.now()
	t.interval = min(max(commitInterval, commitShare*took), maxCommitInterval)
	t.broadcast()
}

// commit writes where each partition stands and ends the transaction. An error
// leaves its outcome unknown: the incarnation has to end.
func (t *transactor) commit(ctx context.Context, parts map[int32]*part) error {
	marks := t.marks(parts)
	if err := t.c.send.produce(marks); err != nil {
		return err
	}
	t.c.fence.wrote(marks)
	failpoint.Hit(failpoint.BeforeCommit)
	if err := t.addOffsets(ctx, parts); err != nil {
		// Ended by hand: left to its timeout it would hold back every reader.
		if aborted := t.c.out.EndTransaction(ctx, kgo.TryAbort); aborted != nil {
			return errors.Join(err, fmt.Errorf("aborting: %w", aborted))
		}
		return err
	}
	failpoint.Hit(failpoint.AfterOffsets)
	if err := t.c.out.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	for p := range parts {
		t.c.fence.committed(p)
	}
	return nil
}

// addOffsets puts the offsets of parts into the transaction, unless another group has
// been here.
func (t *transactor) addOffsets(ctx context.Context, parts map[int32]*part) error {
	for p := range parts {
		if err := t.c.undisturbed(ctx, p); err != nil {
			return err
		}
	}
	return t.c.commitInTransaction(ctx, parts)
}

// marks are the records of the state topic for partitions whose checkpoint is
// not in the transaction: they say up to where everything is published.
func (t *transactor) marks(parts map[int32]*part) []*kgo.Record {
	var recs []*kgo.Record
	for _, p := range slices.Sorted(maps.Keys(parts)) {
		if pt, jn := parts[p], t.journalEnd(p); pt.stateTo != pt.to || pt.stateJN != jn {
			recs = append(recs, t.c.markRecord(p, pt.to, jn))
		}
	}
	return recs
}

func (t *transactor) journalEnd(p int32) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.jn[p]
}

func (t *transactor) setJournalEnd(p int32, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.jn[p] = offset
}
