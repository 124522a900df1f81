package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

var errKilled = errors.New("the process was killed here")

// crashLog is one partition's topics in memory. Every step that makes something
// durable may be the last one of an incarnation: steps counts them down.
type crashLog struct {
	mu    sync.Mutex // protects all fields: the publisher has its own goroutine
	rng   *rand.Rand
	steps int // until the kill; below 0: never
	dead  bool

	input   []kafka.Rec // with holes in the offsets
	visible int         // records produced so far
	high    int64       // high watermark: a marker may stand behind the last record

	outs        map[kafka.TopicKind][]written
	journal     []kafka.JournalRecord
	checkpoints []kafka.Checkpoint
	group       int64
	delayed     *kafka.JournalRecord // a send of a dead incarnation that lands later
	points      map[string]int       // kill points that were hit
	clock       clock.Clock
	deaf        bool // the broker does not answer
}

// written is an output record as a reader finds it.
type written struct {
	so, sk     int64
	key, value string
	headers    string
	timestamp  int64
}

// step reports whether the process still lives after one more durable step.
func (l *crashLog) step(point string) bool {
	if l.dead {
		return false
	}
	if l.steps == 0 {
		l.dead = true
		l.points[point]++
		return false
	}
	l.steps--
	return true
}

// Publish writes in the order outputs, checkpoint, commit.
func (l *crashLog) Publish(_ context.Context, u *kafka.Unit) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.step("before the outputs") {
		return errKilled
	}
	for i := range u.Outs {
		o := &u.Outs[i]
		l.outs[o.Topic] = append(l.outs[o.Topic], copyOut(o))
		if !l.step("between outputs") {
			return errKilled
		}
	}
	if u.Checkpoint == nil {
		return nil
	}
	if !l.step("before the checkpoint") {
		return errKilled
	}
	cp := *u.Checkpoint
	cp.Body = bytes.Clone(cp.Body)
	l.checkpoints = append(l.checkpoints, cp)
	if !l.step("before the commit") {
		return errKilled
	}
	l.group = cp.To
	return nil
}

func copyOut(o *kafka.Out) written {
	w := written{key: string(o.Key), value: string(o.Value), timestamp: o.Timestamp}
	r := kafka.Rec{Headers: o.Headers}
	w.so, _ = headerInt(&r, wire.HeaderOffset)
	w.sk, _ = headerInt(&r, wire.HeaderOrdinal)
	for _, h := range o.Headers {
		w.headers += fmt.Sprintf("%s=%s;", h.Key, h.Value)
	}
	return w
}

// Decide appends a decision. A kill may lose the record, its acknowledgement,
// or let it land when the next incarnation has begun.
func (l *crashLog) Decide(_ context.Context, _ int32, r kafka.JournalRecord) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Body = bytes.Clone(r.Body)
	if !l.step("before a decision is written") {
		if l.rng.IntN(2) == 0 {
			l.delayed = &r
		}
		return 0, errKilled
	}
	at := l.append(r)
	if !l.step("before a decision is acknowledged") {
		return 0, errKilled
	}
	return at, nil
}

func (l *crashLog) append(r kafka.JournalRecord) int64 {
	r.Offset = int64(len(l.journal))
	l.journal = append(l.journal, r)
	return r.Offset
}

// OpenJournal appends the start and returns what counts.
func (l *crashLog) OpenJournal(_ context.Context, _ int32, o kafka.JournalOpen) (kafka.JournalTail, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.step("before the start is written") {
		return kafka.JournalTail{}, errKilled
	}
	late := l.rng.IntN(2) == 0
	if l.delayed != nil && !late {
		l.append(*l.delayed)
		l.delayed = nil
	}
	counted, _, err := countJournal(l.journal[max(o.From, 0):], o.LastN)
	if err != nil {
		return kafka.JournalTail{}, err
	}
	start := o.Start
	start.N = o.LastN + 1
	if n := len(counted); n > 0 {
		start.N = counted[n-1].N + 1
	}
	start.Body = bytes.Clone(start.Body)
	start.Offset = l.append(start)
	if l.delayed != nil {
		l.append(*l.delayed)
		l.delayed = nil
	}
	if !l.step("before the start is acknowledged") {
		return kafka.JournalTail{}, errKilled
	}
	return kafka.JournalTail{Pending: append(counted, start), End: start.Offset + 1}, nil
}

// countJournal applies the rule of n.
func countJournal(recs []kafka.JournalRecord, last int64) (counted []kafka.JournalRecord, void int, err error) {
	for _, r := range recs {
		switch {
		case r.N == last+1:
			last = r.N
			counted = append(counted, r)
		case r.N <= last:
			void++
		default:
			return nil, 0, fmt.Errorf("record %d of the journal follows record %d", r.N, last)
		}
	}
	return counted, void, nil
}

// Bounds are those of the input.
func (l *crashLog) Bounds(context.Context, int32) (start, end int64, err error) {
	return 0, l.high, nil
}

// LoadCheckpoint returns the newest one.
func (l *crashLog) LoadCheckpoint(context.Context, int32) (*kafka.Checkpoint, error) {
	if len(l.checkpoints) == 0 {
		return nil, kafka.ErrNoCheckpoint
	}
	cp := l.checkpoints[len(l.checkpoints)-1]
	return &cp, nil
}

// AtEnd knows at once, unless the broker is deaf.
func (l *crashLog) AtEnd(_ int32, offset int64) (time.Time, bool) {
	return l.clock.Now(), !l.deaf && offset >= l.high
}

func (l *crashLog) GroupOffset(int32) int64              { return l.group }
func (l *crashLog) Pause(int32)                          {}
func (l *crashLog) Resume(int32)                         {}
func (l *crashLog) Joined() bool                         { return true }
func (l *crashLog) Members(context.Context) (int, error) { return 0, nil }

// read applies the reader rule: a record whose position is not above the
// highest one seen is a repeat. A repeat must have the bytes of the first.
func (l *crashLog) read(kind kafka.TopicKind) ([]written, error) {
	var kept []written
	at := map[[2]int64]written{}
	for _, r := range l.outs[kind] {
		pos := [2]int64{r.so, r.sk}
		if first, ok := at[pos]; ok {
			if first != r {
				return nil, fmt.Errorf("position %v was written twice with other bytes:\n%+v\n%+v", pos, first, r)
			}
			continue
		}
		if n := len(kept); n > 0 && (r.so < kept[n-1].so || r.so == kept[n-1].so && r.sk <= kept[n-1].sk) {
			return nil, fmt.Errorf("position %v appears behind %d.%d and never before: a reader loses it: %+v", pos, kept[n-1].so, kept[n-1].sk, r)
		}
		at[pos] = r
		kept = append(kept, r)
	}
	return kept, nil
}

var _ partitionStore = (*crashLog)(nil)
