package serve

import (
	"bytes"
	"errors"
	"math"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ErrQuarantined is the error of a Program's Start whose module must not be
// called any more.
var ErrQuarantined = errors.New("the module is in quarantine")

// ErrTooSlow is the fault of a program that took more time than a reader can
// wait for.
var ErrTooSlow = errors.New("computing on demand: the indicator takes too long for this many bars")

// running is a program on one group. It belongs to whoever made it until it is
// installed, and then to the turn of the partition.
type running struct {
	version *version
	program Program
	cursor  Cursor // nil: the program failed
	failed  Cursor // that in which it did, to be closed
	meta    *InstanceMeta
	// count is the number of bars consumed, seed the open time of the first,
	// last that of the newest.
	count      int64
	seed, last int64
	flags      uint8 // of every value from now on
	err        error // why it failed
	out        []float64
	degenerate []bool
}

// start makes the state of a program before the first bar. A program that
// refuses is one that failed: its values are null.
func start(v *version, ms int64) *running {
	r := &running{version: v, program: v.program, meta: v.program.Meta(), seed: never, last: never}
	cursor, err := v.program.Start(ms)
	if err != nil {
		r.fail(err)
		return r
	}
	r.cursor = cursor
	return r
}

func (r *running) fail(err error) {
	if r.cursor != nil {
		r.failed, r.cursor = r.cursor, nil
	}
	r.flags, r.err = wire.FlagError, err
	if errors.Is(err, ErrQuarantined) {
		r.flags |= wire.FlagQuarantined
	}
}

// close ends the state. The caller holds no lock.
func (r *running) close() {
	var e endings
	e.add(r)
	e.close()
}

// run consumes closed bars and calls each with the value of every one, valid
// until the next call. It reports whether the program failed in it.
func (r *running) run(bars []core.Bar, each func(i int, v *wire.IndRecord)) (failed bool) {
	width := len(r.meta.Outputs)
	r.out = sized(r.out, width*len(bars))
	r.degenerate = sized(r.degenerate, len(bars))
	for i := range r.out {
		r.out[i] = math.NaN()
	}
	clear(r.degenerate)
	done := 0
	if r.cursor != nil {
		n, err := r.cursor.Run(bars, r.out, r.degenerate)
		if done = n; err != nil {
			r.fail(err)
			failed = true
		}
	}
	var v wire.IndRecord
	for i := range bars {
		r.note(&bars[i])
		r.value(&v, r.out[i*width:(i+1)*width], r.count, i >= done)
		if i < done && r.degenerate[i] {
			v.Flags |= wire.FlagDegenerate
		}
		each(i, &v)
	}
	return failed
}

func (r *running) note(b *core.Bar) {
	if r.count == 0 {
		r.seed = b.OpenTime
	}
	r.count++
	r.last = b.OpenTime
}

// value fills v with numbers as a record of the topic has them.
func (r *running) value(v *wire.IndRecord, numbers []float64, n int64, failed bool) {
	*v = wire.IndRecord{Name: r.meta.Name, Ver: r.meta.Version, N: n, V: v.V[:0]}
	for _, f := range numbers {
		if failed || math.IsNaN(f) || math.IsInf(f, 0) {
			v.V = append(v.V, nil)
			continue
		}
		v.V = append(v.V, wire.AppendFloat(nil, f))
	}
	switch {
	case failed:
		v.Flags = r.flags | wire.FlagError
	case r.meta.Warmup < neverStable && n >= r.meta.Warmup:
		v.Flags = wire.FlagStable
	}
}

// neverStable is the warm-up of values that depend on the first bar for ever.
const neverStable = math.MaxInt32

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// cloneValue keeps a value beyond the next call of run.
func cloneValue(v *wire.IndRecord) wire.IndRecord {
	out := *v
	out.V = make([][]byte, len(v.V))
	for i := range v.V {
		out.V[i] = bytes.Clone(v.V[i])
	}
	return out
}

// Bars are computed in pieces between two looks at the clock: few at first,
// since nobody knows yet how long one takes. A bar that closes may have to wait for a
// piece, whose bars may take 5 ms each.
const (
	firstPiece = 16
	maxPiece   = 64
)

// filled are the values of a group computed anew.
type filled struct {
	state *running
	rows  rows
	// newest is the value of the last bar.
	newest wire.IndRecord
	lead   int // bars in front of memory that it was computed from
}

// compute runs a version over bars, for at most limit. The caller holds no lock.
func (h *Hub) compute(v *version, ms int64, bars []core.Bar, limit time.Duration) (*filled, error) {
	return h.computeOver(v, ms, stretch{bars: bars, from: never}, limit)
}

// computeOver is compute where some bars only lead up to the others.
func (h *Hub) computeOver(v *version, ms int64, s stretch, limit time.Duration) (*filled, error) {
	var old endings
	defer old.close()
	return h.computeAndEnd(v, ms, s, limit, &old)
}

// computeAndEnd is computeOver for callers with locks: what failed is collected.
func (h *Hub) computeAndEnd(v *version, ms int64, s stretch, limit time.Duration, old *endings) (*filled, error) {
	f, bars := &filled{state: start(v, ms), lead: s.lead}, s.bars
	began := h.cfg.Clock.Now()
	width := len(f.state.meta.Outputs)
	var row []byte
	size := firstPiece
	for from := 0; from < len(bars); {
		piece := bars[from:min(from+size, len(bars))]
		failed := f.state.run(piece, func(i int, v *wire.IndRecord) {
			if piece[i].OpenTime < s.from {
				return
			}
			row = appendValueRow(row[:0], width, piece[i].OpenTime, v.V, v.Flags)
			f.rows.put(piece[i].OpenTime, row)
			if from+i == len(bars)-1 {
				f.newest = cloneValue(v)
			}
		})
		took := h.cfg.Clock.Now().Sub(began)
		if failed || took > limit {
			old.add(f.state)
		}
		if took > limit {
			return nil, ErrTooSlow
		}
		if took < limit/8 {
			size = min(2*size, maxPiece)
		}
		from += len(piece)
	}
	return f, nil
}
