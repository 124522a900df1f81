package schedule

import (
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

type stage int

const (
	loading    stage = iota // reads the checkpoint and the journal
	announcing              // idempotent: writes its start
	reading                 // idempotent: reads the journal up to its start
	running
	stuck // the partition has failed
)

// worker owns one partition in one incarnation.
type worker struct {
	n     *node
	p     int
	stage stage
	m     *machine

	count      counter // of the journal, while restoring
	journalEnd int64   // read up to here
	startAt    int64   // offset of our start
	pending    pending
	jnext      int64 // journal offset behind the last record read or written

	pos     int64 // of the next fetch
	waiting bool  // the last fetch reached the end
	since   int64
	heard   map[string]int64
	decided map[string]int64

	judged   []string // sources whose age was looked at in the batch at judgedAt
	judgedAt int64
	deciding *decision // idempotent: acknowledged, has not acted
	unit     *unit     // idempotent: under way
	asked    bool      // a checkpoint is wanted
	to       int64     // of the last checkpoint, -1: none
	snapN    int64     // the last decision in it
	changed  bool      // the checkpoint was made by other rules
	silent   published // what stands on the topics already

	share     share // in the open transaction
	committed int64 // offset of the last one
	releasing bool
}

// where tells at which point of the order of writes a crash would come.
func (w *worker) where() Fault {
	switch {
	case w.stage < running:
		return CrashInRestore
	case w.stage == stuck:
		return CrashIdle
	case w.deciding != nil:
		return CrashBeforeAct
	case w.unit != nil:
		return w.unit.where()
	case len(w.m.outs) > 0:
		return CrashUnwritten
	}
	return CrashIdle
}

func (w *worker) ready() bool {
	return w.stage == running && w.deciding == nil && !w.asked && !w.releasing
}

// fetch delivers up to most records.
func (w *worker) fetch(most int) bool {
	waited := len(w.pending)
	if !w.ready() || !w.actPending(w.m.eng.Next()) {
		return false
	}
	if w.adopt() {
		return true
	}
	log := w.n.w.logs[ticks][w.p]
	if w.n.w.fails(LeaderMoved, 10) {
		if w.n.w.opt.Mutant.ResetStart {
			w.pos = 0
		}
		return true
	}
	i := log.from(w.pos)
	batch := log.recs[i:min(len(log.recs), i+most)]
	if len(batch) == 0 {
		changed := w.pos != log.end || !w.waiting || len(w.pending) != waited
		w.pos, w.waiting = log.end, true
		return changed
	}
	if op, ok := w.judge(batch); ok {
		return w.decide(op)
	}
	for i := range batch {
		if !w.actPending(batch[i].offset) {
			return true
		}
		w.read(&batch[i])
	}
	w.pos = batch[len(batch)-1].offset + 1
	if i+len(batch) == len(log.recs) {
		w.pos = log.end
	}
	w.waiting = w.pos == log.end
	w.actPending(w.m.eng.Next())
	w.n.w.trace.note(w.n.w.events, "fetch", int64(w.n.id), int64(w.p), w.pos)
	return true
}

func (w *worker) read(r *record) {
	before := len(w.m.outs)
	if err := w.m.apply(r); err != nil {
		// The core drops it and counts. No client of ours may get here.
		w.n.w.violate("partition %d: the client went back: %w", w.p, err)
		return
	}
	if r.offset < w.silent.to {
		w.hush(before)
	}
	if r.head == wire.KindHeartbeat {
		w.heard[r.source] = w.n.w.now
	}
}

// adopt notes in the journal that the rules are others from here on, once all
// that was published by the old ones is behind us.
func (w *worker) adopt() bool {
	other := w.m.rules != w.n.rules
	if w.n.w.opt.Mutant.NewRulesAtOnce {
		other = w.changed
	}
	if !other || w.replaying() {
		return false
	}
	w.changed = false
	w.n.w.hit(Reconfigured)
	return w.decide(core.Op{Kind: core.OpConfig, Config: strconv.Itoa(w.n.rules)})
}

// judge tells whether the batch shows a source to be a replay, or live again.
func (w *worker) judge(batch []record) (core.Op, bool) {
	if w.replaying() {
		return core.Op{}, false
	}
	if w.judgedAt != batch[0].offset {
		w.judgedAt, w.judged = batch[0].offset, w.judged[:0]
	}
	for i := range batch {
		// Each source once per batch: its records may be of different ages.
		if slices.Contains(w.judged, batch[i].source) {
			continue
		}
		op, ok := w.m.eng.LivenessOp(batch[i].source, batch[i].time, w.n.w.now, w.waiting)
		if ok || w.waiting {
			w.judged = append(w.judged, batch[i].source)
		}
		if ok {
			return op, true
		}
	}
	return core.Op{}, false
}

// tick looks at the clock: a source that was silent at the end of the partition
// gets a decision in place of its heartbeat.
func (w *worker) tick() bool {
	if !w.ready() || !w.waiting || w.replaying() {
		return false
	}
	now := w.n.w.now
	for _, s := range w.m.eng.Sources() {
		last, ok := w.heard[s.Name]
		if !ok {
			last = w.since
		}
		if now-last < idleTimeout || now-w.decided[s.Name] < 1_000 {
			continue
		}
		op, due := w.m.eng.IdleOp(s.Name, now)
		if !due {
			continue
		}
		if w.n.w.opt.Mutant.IdleByClock {
			op.TS = now - w.n.w.plan.core.IdleDelay
		}
		w.decided[s.Name] = now
		return w.decide(op)
	}
	return false
}

// decide takes a decision. Idempotent: it is acknowledged, then acts.
// Transactional: it acts at once and goes into the transaction of its effects.
func (w *worker) decide(op core.Op) bool {
	world := w.n.w
	d := w.next(op)
	world.trace.note(world.events, "decide "+op.Kind.String(), int64(w.n.id), int64(w.p), d.at)
	r := record{time: d.time, value: d.body, decision: &d}
	if world.plan.transactional {
		w.m.n = d.n
		if world.opt.Mutant.JournalOutside {
			w.jnext = world.logs[journal][w.p].append(r, nil) + 1
		} else {
			w.m.outs = append(w.m.outs, output{journal, r})
		}
		w.act(&d)
		return true
	}
	if world.opt.Mutant.ActBeforeAck {
		w.act(&d)
		w.m.n, w.deciding = d.n, &d
		return true
	}
	if first, ok := w.n.send(journal, w.p, []record{r}); ok {
		d.offset = first
		w.m.n, w.jnext, w.deciding = d.n, first+1, &d
	}
	return true
}

// next is a decision for the present place.
func (w *worker) next(op core.Op) decision {
	return decision{
		at: w.m.eng.Next(), n: w.m.n + 1, lo: w.m.last.offset, lc: w.m.last.sum,
		body: string(wire.AppendOps(nil, []core.Op{op})), time: w.n.w.now,
	}
}

// finishDecision acts on the decision that is acknowledged.
func (w *worker) finishDecision() bool {
	if w.deciding == nil {
		return false
	}
	d := *w.deciding
	w.deciding = nil
	if !w.n.w.opt.Mutant.ActBeforeAck {
		w.act(&d)
	} else if first, ok := w.n.send(journal, w.p, []record{{time: d.time, value: d.body, decision: &d}}); ok {
		w.jnext = first + 1
	}
	return true
}

// actPending acts on what was decided before this incarnation, up to offset.
// False: the partition has failed.
func (w *worker) actPending(offset int64) bool {
	for {
		d, ok := w.pending.due(offset)
		if !ok {
			return w.stage == running
		}
		// Below the checkpoint there is nothing to compare: a checkpoint that
		// landed late may be ahead of the start of the incarnation after its own.
		here := d.at == w.m.eng.Next() || w.n.w.opt.Mutant.PlaceBelow
		if here && w.m.last.offset >= 0 && d.lo >= 0 && w.m.last != (lastRecord{d.lo, d.lc}) {
			w.n.w.violate("decision %d of partition %d was taken behind record %d, here record %d stands before it", d.n, w.p, d.lo, w.m.last.offset)
			w.stage = stuck
			return false
		}
		before := len(w.m.outs)
		w.act(&d)
		if d.offset < w.silent.jn {
			w.hush(before)
		}
	}
}

// hush takes back the outputs from index on: they are numbered, and they stand
// on their topics.
func (w *worker) hush(from int) {
	if !w.n.w.opt.Mutant.NoSilence {
		w.m.outs = w.m.outs[:from]
	}
}

// replaying tells whether the worker is behind what was published before it, or
// has decisions to act on that somebody took before it.
func (w *worker) replaying() bool { return w.m.eng.Next() < w.silent.to || len(w.pending) > 0 }

func (w *worker) act(d *decision) {
	if err := w.m.act(d); err != nil {
		w.n.w.violate("acting on decision %d of partition %d: %w", d.n, w.p, err)
		w.stage = stuck
	}
}
