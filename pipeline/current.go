package pipeline

import (
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// currentBars are the forming bars for the Redis view: all that changed, at
// most every currentPeriod, without provisional values. Best effort: while the
// view is slow, the changes of several rounds are shown by one.
type currentBars struct {
	out    chan<- formingBars // nil: nobody wants them
	marked []bool
	dirty  []uint32
	last   time.Time
	kline  core.Kline
}

// forget is for symbols that have other numbers from now on.
func (c *currentBars) forget() { c.marked, c.dirty = nil, nil }

func (c *currentBars) mark(ids []uint32) {
	if c.out == nil {
		return
	}
	for _, id := range ids {
		for int(id) >= len(c.marked) {
			c.marked = append(c.marked, false)
		}
		if !c.marked[id] {
			c.marked[id] = true
			c.dirty = append(c.dirty, id)
		}
	}
}

// showCurrent hands the changed bars to the view if it is free to take them.
func (w *worker) showCurrent(now time.Time) {
	c := &w.current
	if len(c.dirty) == 0 || now.Sub(c.last) < currentPeriod || len(c.out) == cap(c.out) {
		return
	}
	c.last = now
	var values [][]byte
	for _, id := range c.dirty {
		c.marked[id] = false
		for i := range w.vals.intervals {
			if w.eng.Forming(id, i, &c.kline) {
				values = append(values, wire.AppendKline(make([]byte, 0, 512), &c.kline, nil))
			}
		}
	}
	c.dirty = c.dirty[:0]
	select {
	case c.out <- formingBars{p: w.p, values: values}:
	default: // another partition was faster; the next change shows these bars
	}
}
