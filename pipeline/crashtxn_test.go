package pipeline

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// txnLog is a crashLog whose units go through transactions: what was written
// since the last commit vanishes with the incarnation.
type txnLog struct {
	*crashLog
	own     *rand.Rand // the publisher has its own goroutine, so its own dice
	open    txnShare
	mark    kafka.Published // what the newest committed mark or checkpoint says
	end     int64           // of the journal: offsets of aborted records are gone for good
	commits int
	aborts  int
}

// txnShare is what stands in the open transaction.
type txnShare struct {
	outs       map[kafka.TopicKind][]written
	journal    []kafka.JournalRecord
	checkpoint *kafka.Checkpoint
	to         int64 // below 0: in the middle of a position
	dirty      bool
}

// Publish writes into the transaction and ends it now and then.
func (l *txnLog) Publish(_ context.Context, u *kafka.Unit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.step("before the outputs") {
		return errKilled
	}
	s := &l.open
	s.dirty, s.to = true, u.To
	for _, d := range u.Decisions {
		d.Body = bytes.Clone(d.Body)
		d.Offset = l.end
		l.end += 1 + l.own.Int64N(2)
		s.journal = append(s.journal, d)
	}
	for i := range u.Outs {
		o := &u.Outs[i]
		s.outs[o.Topic] = append(s.outs[o.Topic], copyOut(o))
	}
	if !l.step("between outputs") {
		return errKilled
	}
	if u.Checkpoint != nil {
		cp := *u.Checkpoint
		cp.Body = bytes.Clone(cp.Body)
		cp.JN = l.journalEnd()
		s.checkpoint, s.to = &cp, cp.To
	}
	if s.to < 0 || l.own.IntN(3) > 0 {
		return nil
	}
	return l.commit()
}

func (l *txnLog) journalEnd() int64 {
	if n := len(l.open.journal); n > 0 {
		return l.open.journal[n-1].Offset + 1
	}
	return l.mark.JN
}

// commit makes the transaction visible, unless the process dies before.
func (l *txnLog) commit() error {
	if !l.open.dirty {
		return nil
	}
	if !l.step("before the commit") {
		return errKilled
	}
	l.mark = kafka.Published{To: l.open.to, JN: l.journalEnd()}
	for topic, outs := range l.open.outs {
		l.outs[topic] = append(l.outs[topic], outs...)
	}
	l.journal = append(l.journal, l.open.journal...)
	if cp := l.open.checkpoint; cp != nil {
		l.checkpoints = append(l.checkpoints, *cp)
	}
	l.group = l.open.to
	l.open, l.commits = newTxnShare(), l.commits+1
	if !l.step("behind the commit") {
		return errKilled
	}
	return nil
}

// abort is what the next owner finds of a transaction that was not committed.
func (l *txnLog) abort() {
	if l.open.dirty {
		l.aborts++
		l.end++ // its marker
	}
	l.open = newTxnShare()
}

func newTxnLog(log *crashLog, seed uint64) *txnLog {
	return &txnLog{crashLog: log, own: rand.New(rand.NewPCG(seed, 8)), open: newTxnShare()}
}

func newTxnShare() txnShare { return txnShare{outs: map[kafka.TopicKind][]written{}, to: -1} }

// Decide is for the other delivery.
func (l *txnLog) Decide(context.Context, int32, kafka.JournalRecord) (int64, error) {
	panic("a decision was written outside its transaction")
}

// OpenJournal returns what counts, without announcing anybody.
func (l *txnLog) OpenJournal(_ context.Context, _ int32, o kafka.JournalOpen) (kafka.JournalTail, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, _ := slices.BinarySearchFunc(l.journal, o.From, func(r kafka.JournalRecord, at int64) int { return int(r.Offset - at) })
	counted, _, err := countJournal(l.journal[from:], o.LastN)
	return kafka.JournalTail{Pending: slices.Clone(counted), End: l.end}, err
}

// LoadCheckpoint returns the newest snapshot, or an older one, and how far
// everything is published.
func (l *txnLog) LoadCheckpoint(context.Context, int32) (*kafka.Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.abort()
	n := len(l.checkpoints)
	if n == 0 {
		return nil, kafka.ErrNoCheckpoint
	}
	back := 0
	if l.own.IntN(6) == 0 {
		back = l.own.IntN(min(n, 3)) // the newest are damaged
	}
	cp := l.checkpoints[n-1-back]
	cp.Published = l.mark
	return &cp, nil
}

// TestKillsInTransactionsLoseNothingAndRepeatNothing drives the worker through
// killed incarnations with transactions: what is committed equals a replay of
// input and journal, and no position is there twice.
func TestKillsInTransactionsLoseNothingAndRepeatNothing(t *testing.T) {
	points := map[string]int{}
	kills, records, commits, aborts, decisions := 0, 0, 0, 0, 0
	for seed := range uint64(crashSeeds) {
		c := newCrashRun(t, seed)
		log := newTxnLog(c.log, seed)
		idempotent := c.e
		c.e, c.store = c.engine(true), log
		c.produce(10)
		for range 2 + c.rng.IntN(6) {
			c.log.dead, c.log.steps = false, c.rng.IntN(60)
			c.live(10 + c.rng.IntN(60))
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		counters := c.complete()
		wantNoRepeats(t, seed, log)
		c.e, c.store = idempotent, nil
		golden := c.golden()
		for _, kind := range []kafka.TopicKind{kafka.Klines, kafka.Late, kafka.DLQ} {
			records += compareTopics(t, seed, kind, c.log, golden)
		}
		wantAccounted(t, seed, counters, log)
		kills += c.killed
		commits, aborts, decisions = commits+log.commits, aborts+log.aborts, decisions+len(log.journal)
		for p, n := range c.log.points {
			points[p] += n
		}
	}
	for _, p := range []string{"before the outputs", "between outputs", "before the commit", "behind the commit"} {
		if points[p] == 0 {
			t.Errorf("no schedule was killed %s", p)
		}
	}
	if aborts == 0 || decisions == 0 {
		t.Errorf("%d aborted transactions, %d decisions: nothing was tested", aborts, decisions)
	}
	t.Logf("%d seeds, %d kills, %d commits, %d aborts, %d decisions, %d records compared, kill points: %v",
		crashSeeds, kills, commits, aborts, decisions, records, maps.Clone(points))
}

func wantNoRepeats(t *testing.T, seed uint64, log *txnLog) {
	t.Helper()
	for kind, outs := range log.outs {
		for i := 1; i < len(outs); i++ {
			a, b := outs[i-1], outs[i]
			if b.so < a.so || b.so == a.so && b.sk <= a.sk {
				t.Fatalf("seed %d, topic %v: position %d.%d stands behind %d.%d", seed, kind, b.so, b.sk, a.so, a.sk)
			}
		}
	}
}

func wantAccounted(t *testing.T, seed uint64, counters core.Counters, log *txnLog) {
	t.Helper()
	if got := counters.Decisions; got != int64(len(log.journal)) || counters.Starts != 0 {
		t.Fatalf("seed %d: the state counts %d decisions and %d starts, the journal has %d records", seed, got, counters.Starts, len(log.journal))
	}
}

var _ partitionStore = (*txnLog)(nil)
