package serve

import (
	"bytes"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// maxDeparted is how many restated bars are remembered that have left memory.
// They are those of the last minutes: a bar is restated within the lateness. Of those
// before them the log is asked, where a store may lag (deeprevisions.go).
const maxDeparted = 64

// nothingTime is how long it is believed that no store holds more of a series
// than memory: charts of a young series must not ask for its past each time, ms.
const nothingTime = 30_000

// departed is what a group knows of the bars that have left its rows: how far
// they go, and the newest revision of those that were restated last. A store may
// hold an older one for as long as it lags.
//
// It is written and read with the group's lock.
type departed struct {
	gone    int64 // open time of the newest bar that left; 0 with any false: none
	any     bool
	revised []int64 // open times of restated bars that are in memory
	bars    []departedBar
	// forgot is the newest restated bar that was remembered and is not any more,
	// meaningless without forgets.
	forgot  int64
	forgets bool
	// sealed is the greatest open time that the store with the gate sealedBy is known
	// to hold, so that it holds all bars before; 0 is no gate.
	sealed, sealedBy int64
	// nothing says that no store held a bar before the oldest in memory, which was
	// nothingBefore, at the time nothingAt, ms.
	nothing                  bool
	nothingBefore, nothingAt int64
}

// departedBar is one that was restated. Its texts never change.
type departedBar struct {
	t           int64
	row, source []byte
}

// behind tells whether a bar that opens at t has left memory, or belongs before
// one that has: put into the rows it would stand beside bars that are not its
// neighbours.
func (d *departed) behind(t int64) bool { return d.any && t <= d.gone }

// keep remembers a bar that has left.
func (d *departed) keep(t int64, row, source []byte) {
	d.bars = slices.DeleteFunc(slices.Clone(d.bars), func(b departedBar) bool { return b.t == t })
	d.bars = append(d.bars, departedBar{t: t, row: bytes.Clone(row), source: bytes.Clone(source)})
	n := max(len(d.bars)-maxDeparted, 0)
	for _, b := range d.bars[:n] {
		d.forget(b.t)
	}
	d.bars = d.bars[n:]
}

// forget takes note that a revision is remembered by nobody.
func (d *departed) forget(t int64) {
	if !d.forgets || t > d.forgot {
		d.forgot, d.forgets = t, true
	}
}

// restated takes note of a bar whose first revision is not its only one, or that
// comes after younger ones.
func (d *departed) restated(k *wire.KlineRecord, lastT int64) {
	if (k.Rev > 0 || k.T < lastT) && !slices.Contains(d.revised, k.T) {
		d.revised = append(d.revised, k.T)
	}
}

// leave takes note of the oldest n bars, which are about to be cut.
func (g *group) leave(n int) {
	gone := g.bars.at(n - 1)
	g.left.revised = slices.DeleteFunc(g.left.revised, func(t int64) bool {
		if t > gone {
			return false
		}
		if row, ok := g.bars.find(t); ok {
			g.left.keep(t, row, g.sourceOf(t))
		}
		return true
	})
	g.left.gone, g.left.any = gone, true
}

// nothingBehind tells whether no store held a bar before the one that opens at t, a
// moment ago. now is the time in ms.
func (d *departed) nothingBehind(t, now int64) bool {
	return d.nothing && d.nothingBefore == t && now-d.nothingAt < nothingTime
}

// noteNothing notes that no store holds anything before memory.
func (d *deepRead) noteNothing() {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	l := &d.g.left
	l.nothing, l.nothingBefore, l.nothingAt = true, d.kept, d.h.now()
}

// inherit takes over what an older piece of the log knows, whose rows have been
// absorbed as far as there was room.
func (g *group) inherit(old *group) {
	oldest := g.oldest()
	if old.left.forgets {
		g.left.forget(old.left.forgot)
	}
	later := g.left.bars
	g.left.bars = slices.Clone(old.left.bars)
	for _, t := range old.left.revised {
		row, ok := old.bars.find(t)
		switch {
		case !ok:
		case t < oldest:
			g.left.keep(t, row, old.sourceOf(t))
		case !slices.Contains(g.left.revised, t):
			g.left.revised = append(g.left.revised, t)
		}
	}
	for _, b := range later { // they have the last word
		g.left.keep(b.t, b.row, b.source)
	}
	if old.left.any { // the piece itself had more bars than there was room for
		g.left.went(old.left.gone)
	}
	if n := old.bars.search(oldest); n > 0 {
		g.left.went(old.bars.at(n - 1))
	}
}

// went takes note that the bar that opens at t is not in memory.
func (d *departed) went(t int64) {
	if !d.any || t > d.gone {
		d.gone, d.any = t, true
	}
}
