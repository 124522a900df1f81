package pipeline

import (
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// liveView is where forming bars are shown on this node.
type liveView interface {
	// Forming takes the records of forming bars of partition p; their bytes
	// are the view's from then on.
	Forming(p int32, values [][]byte)
	// Interested tells whether somebody looks at the series; InterestGen
	// changes whenever an answer of Interested may have changed.
	Interested(symbol, interval string) bool
	InterestGen() uint64
}

// forming shows the bars in progress to whoever looks at them. They change
// nothing, are never published to a topic, and cost nothing while nobody looks.
type forming struct {
	view  liveView
	clock clock.Clock

	marked []bool // by symbol id
	dirty  []uint32
	timer  clock.Timer
	armed  bool
	last   time.Time

	gen      uint64
	fresh    time.Time // when interest was last forgotten
	interest []int8    // by series: 0 unknown, 1 yes, -1 no

	asked chan struct{}
	mu    sync.Mutex    // protects the two below
	names []string      // symbols asked for by readers
	round chan struct{} // closed when they were shown; nil: nobody asked

	kline  core.Kline
	values []wire.Value
}

func newForming(view liveView, c clock.Clock, instances int) forming {
	return forming{view: view, clock: c, asked: make(chan struct{}, 1), values: make([]wire.Value, instances)}
}

// forget is for symbols that have other numbers from now on.
func (f *forming) forget(instances int) {
	f.marked, f.dirty, f.interest = nil, nil, nil
	f.values = make([]wire.Value, instances)
}

// maxAsked bounds the symbols one round shows because readers asked. Who comes
// beyond it sees bars at their next trade.
const maxAsked = 1024

// ask is called by readers of any goroutine: show the bars of the symbols now.
// What it returns is closed when that was done.
func (f *forming) ask(symbols []string) <-chan struct{} {
	f.mu.Lock()
	if len(f.names)+len(symbols) <= maxAsked {
		f.names = append(f.names, symbols...)
	}
	if f.round == nil { // one for all: a worker may wait for its brokers for hours
		f.round = make(chan struct{})
	}
	done := f.round
	f.mu.Unlock()
	select {
	case f.asked <- struct{}{}:
	default:
	}
	return done
}

// mark remembers the symbols whose bars have changed.
func (f *forming) mark(ids []uint32) {
	for _, id := range ids {
		for int(id) >= len(f.marked) {
			f.marked = append(f.marked, false)
		}
		if !f.marked[id] {
			f.marked[id] = true
			f.dirty = append(f.dirty, id)
		}
	}
}

// touched arranges for the changed bars to be shown soon.
func (f *forming) touched() {
	if len(f.dirty) > 0 {
		f.arm()
	}
}

// arm arranges for a round, at once if the last one is long enough ago: readers
// who ask again and again get no more rounds than trades do.
func (f *forming) arm() {
	if f.armed {
		return
	}
	wait := formingPeriod - f.clock.Now().Sub(f.last)
	if f.timer == nil {
		f.timer = f.clock.NewTimer(max(wait, 0))
	} else {
		f.timer.Reset(max(wait, 0))
	}
	f.armed = true
}

// due fires when a round is due; nil blocks for ever.
func (f *forming) due() <-chan time.Time {
	if !f.armed {
		return nil
	}
	return f.timer.C()
}

func (f *forming) takeAsked() (names []string, done chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names, done = f.names, f.round
	f.names, f.round = nil, nil
	return names, done
}

// interestPeriod is how long a yes is believed: interest that fades is not
// announced.
const interestPeriod = 15 * time.Second

// refresh forgets who was interested when somebody came, and now and then.
func (f *forming) refresh() {
	gen := f.view.InterestGen()
	if gen == f.gen && f.last.Sub(f.fresh) < interestPeriod {
		return
	}
	clear(f.interest)
	f.gen, f.fresh = gen, f.last
}

// interested answers from memory until somebody comes, or interestPeriod ends.
func (f *forming) interested(at int, symbol, interval string) bool {
	for at >= len(f.interest) {
		f.interest = append(f.interest, 0)
	}
	if f.interest[at] == 0 {
		f.interest[at] = -1
		if f.view.Interested(symbol, interval) {
			f.interest[at] = 1
		}
	}
	return f.interest[at] > 0
}

// showForming previews the changed bars that somebody looks at and shows them.
func (w *worker) showForming() error {
	f := &w.forming
	f.armed, f.last = false, f.clock.Now()
	names, done := f.takeAsked()
	if done != nil {
		defer close(done)
	}
	for _, name := range names {
		if id, ok := w.eng.SymbolID(name); ok {
			f.mark([]uint32{id})
		}
	}
	f.refresh()
	var shown [][]byte
	for _, id := range f.dirty {
		f.marked[id] = false
		for i := range w.vals.intervals {
			b, err := w.formingBar(id, i)
			if err != nil {
				return err
			}
			if b != nil {
				shown = append(shown, b)
			}
		}
	}
	f.dirty = f.dirty[:0]
	if len(shown) > 0 {
		f.view.Forming(w.p, shown)
	}
	return nil
}

// formingBar is the record of one bar in progress, nil if there is none or
// nobody looks.
func (w *worker) formingBar(id uint32, interval int) ([]byte, error) {
	f := &w.forming
	name := w.vals.intervals[interval].Name()
	if !f.interested(int(id)*len(w.vals.intervals)+interval, w.eng.SymbolName(id), name) {
		return nil, nil
	}
	if !w.eng.Forming(id, interval, &f.kline) {
		return nil, nil
	}
	if err := w.vals.preview(&f.kline, f.values); err != nil {
		return nil, err
	}
	return wire.AppendKline(make([]byte, 0, 512+96*len(f.values)), &f.kline, f.values), nil
}
