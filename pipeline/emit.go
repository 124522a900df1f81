package pipeline

import (
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// emit gives the outputs of recs their positions and values and hands them to
// the publisher.
func (w *worker) emit(recs []kafka.Rec) error {
	failpoint.Hit(failpoint.AfterApply)
	return w.emitWith(func(so int64) origin {
		for len(recs) > 1 && recs[0].Offset < so {
			recs = recs[1:]
		}
		return origin{rec: &recs[0], timestamp: recs[0].Timestamp, silent: so < w.silent.until.To}
	})
}

// origin is what an output was caused by: a record, or a decision with the
// timestamp of its journal record.
type origin struct {
	rec       *kafka.Rec // nil for a decision
	timestamp int64
	silent    bool // the output stands on its topic already
}

// emitWith emits the collected outputs; cause is asked for each, in the order of
// their positions.
func (w *worker) emitWith(cause func(so int64) origin) error {
	defer w.out.Reset()
	if len(w.out.Items) == 0 {
		return nil
	}
	if err := w.compute(); err != nil {
		return err
	}
	w.status.alive(w.cfg.Clock.Now())
	w.silent.unit.reset(w.p)
	for _, it := range w.out.Items {
		so := w.positionOf(it)
		from := cause(so)
		u, err := w.unitFor(from, so)
		if err != nil {
			return err
		}
		if it.Diverted {
			u.diverted(&w.out.Diverted[it.Index], from.rec, w.p, w.ord.take(so), w.letters.whole(so, len(from.rec.Value)))
			continue
		}
		w.emitKline(u, it.Index, from)
	}
	return w.offer()
}

// unitFor is where the next output goes, whose position is so. One batch may
// close more bars than a unit should hold; every output has its own position, so
// a unit may end between any two.
func (w *worker) unitFor(from origin, so int64) (*unit, error) {
	if from.silent {
		return &w.silent.unit, nil
	}
	if w.pub.full() {
		if err := w.pub.send(w.ctx, w.boundary(from, so)); err != nil {
			return nil, err
		}
		w.status.alive(w.cfg.Clock.Now())
	}
	return w.pub.open(), nil
}

// boundary is up to where the full unit is complete if the next output has the
// position so: all that the records before so have caused is in it, or was before.
// A transaction ends only when every partition is at a boundary. Were there one
// at the end of a batch only, a partition that catches up would hold back all
// others for as long as it has batches that fill units.
//
// The output of a decision has the offset of the record behind it, whose outputs
// are still to come: there the unit ends in the middle.
func (w *worker) boundary(from origin, so int64) int64 {
	if from.rec == nil || so <= w.ord.so {
		return midway
	}
	w.mark(w.pub.filling)
	return so
}

// offer hands over what is complete.
func (w *worker) offer() error {
	if u := w.pub.filling; u != nil {
		w.mark(u)
	}
	return w.pub.offer(w.ctx, w.eng.Next())
}

// mark says beside the offset of u what a lost state could be rebuilt from.
func (w *worker) mark(u *unit) {
	u.Meta = kafka.CommitMeta{WM: w.status.watermark(), Low: w.check.low}
}

func (w *worker) positionOf(it core.Item) int64 {
	if it.Diverted {
		return w.out.Diverted[it.Index].So
	}
	return w.out.Klines[it.Index].So
}

func (w *worker) emitKline(u *unit, i int, from origin) {
	k := &w.out.Klines[i]
	u.kline(k, w.vals.of(i), w.ord.take(k.So), from.timestamp)
	kind := "closed"
	if k.Rev > 0 {
		kind = "restated"
	}
	w.count(k, kind, 1, from)
	for j := range w.redone[i] {
		r := &w.redone[i][j]
		n := u.values(k, &w.vals.instances[r.Instance], r, &w.ord, from.timestamp)
		w.count(k, "values", n, from)
	}
}

func (w *worker) count(k *core.Kline, kind string, n int, from origin) {
	if !from.silent {
		w.cfg.Observer.Klines(k.Interval, kind, n)
	}
}

// compute runs the indicators over the closed and restated bars, in order.
func (w *worker) compute() error {
	w.vals.begin(len(w.out.Klines))
	w.redone = w.redone[:0]
	for i := range w.out.Klines {
		k := &w.out.Klines[i]
		var again []restated
		var err error
		if k.Rev > 0 {
			again, err = w.vals.restate(i, k)
		} else {
			err = w.vals.add(i, k)
		}
		if err != nil {
			return err
		}
		w.redone = append(w.redone, again)
		if i%unitLimit == unitLimit-1 {
			w.status.alive(w.cfg.Clock.Now())
		}
	}
	return w.vals.flush()
}

// finish writes the last unit with a full checkpoint.
func (w *worker) finish() error {
	if err := w.checkpointNow(); err != nil {
		return err
	}
	return w.pub.drain(w.ctx, w.eng.Next())
}
