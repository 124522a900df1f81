package schedule

import (
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

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
