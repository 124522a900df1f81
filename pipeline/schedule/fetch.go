package schedule

import (
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

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
	next := log.end
	if n := i + len(batch); n < len(log.recs) {
		next = log.recs[n-1].offset + 1
	}
	if len(batch) == 0 {
		changed := w.pos != next || !w.waiting || len(w.pending) != waited
		w.pos, w.waiting = next, true
		return changed
	}
	if op, ok := w.judge(batch); ok {
		return w.decide(op)
	}
	if w.deliver(batch); w.stage != running {
		return true
	}
	w.pos, w.waiting = next, next == log.end
	w.actPending(w.m.eng.Next())
	w.n.w.trace.note(w.n.w.events, "fetch", int64(w.n.id), int64(w.p), w.pos)
	return true
}

func (w *worker) deliver(batch []record) {
	for i := range batch {
		if !w.actPending(batch[i].offset) {
			return
		}
		w.read(&batch[i])
	}
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
