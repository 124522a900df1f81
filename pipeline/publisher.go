package pipeline

import (
	"context"
	"sync/atomic"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// unitLimit is the number of records after which a unit is no longer filled
// while an earlier one is being written: the worker waits instead, and through
// its queue the partition is paused.
const unitLimit = 4096

// unitBytes bounds a unit likewise: records with many values are long.
const unitBytes = 512 << 10

// publisher writes the units of one worker in order, one at a time. While one
// is under way the worker fills the next; closed bars that come faster than
// acknowledgements share a unit.
type publisher struct {
	log      partitionLog
	clock    clock.Clock
	observer Observer
	p        int32

	limit   int        // records of a unit, unitLimit; tests take less
	filling *unit      // the worker's
	units   chan *unit // to the goroutine
	free    chan *unit // back
	failed  chan error // the first error; the incarnation ends
	pending atomic.Int32
	idleC   chan struct{} // one token each time pending falls to 0
	handle  *safego.Handle
}

func newPublisher(p int32, log partitionLog, c clock.Clock, o Observer) *publisher {
	return &publisher{
		p: p, log: log, clock: c, observer: o, limit: unitLimit,
		units: make(chan *unit, 1), free: make(chan *unit, 3), failed: make(chan error, 1), idleC: make(chan struct{}, 1),
	}
}

// start begins to write. The goroutine ends with ctx, with stop, or with the
// first error.
func (p *publisher) start(ctx context.Context) {
	p.handle = safego.Go("publisher", p.fail, func() {
		for u := range p.units {
			began := p.clock.Now()
			if err := p.log.Publish(ctx, &u.Unit); err != nil {
				p.fail(err)
				return
			}
			p.observer.Published(p.p, p.clock.Now().Sub(began))
			select {
			case p.free <- u:
			default:
			}
			if p.pending.Add(-1) == 0 {
				select {
				case p.idleC <- struct{}{}:
				default:
				}
			}
		}
	})
}

// stop ends the goroutine after the unit under way.
func (p *publisher) stop() {
	close(p.units)
	p.handle.Wait()
}

func (p *publisher) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// open returns the unit to fill.
func (p *publisher) open() *unit {
	if p.filling == nil {
		select {
		case p.filling = <-p.free:
		default:
			p.filling = new(unit)
		}
		p.filling.reset(p.p)
	}
	return p.filling
}

// offer hands the unit over if the writer is free, or if it is full. All that
// the records before input offset to have caused is in it, or was handed over
// before.
func (p *publisher) offer(ctx context.Context, to int64) error {
	if p.filling == nil {
		return nil
	}
	if p.full() {
		return p.send(ctx, to)
	}
	p.filling.To = to
	p.pending.Add(1)
	select {
	case p.units <- p.filling:
		p.filling = nil
	default:
		p.pending.Add(-1)
	}
	return nil
}

// full tells whether the unit takes no more.
func (p *publisher) full() bool {
	return p.filling != nil && (len(p.filling.Outs) >= p.limit || p.filling.size() >= unitBytes)
}

// midway as an input offset says that a unit ends between two outputs of one
// record: the rest is in the next.
const midway int64 = -1

// send hands the unit over and waits until there is room for it.
func (p *publisher) send(ctx context.Context, to int64) error {
	if p.filling == nil {
		return nil
	}
	p.filling.To = to
	p.pending.Add(1)
	select {
	case p.units <- p.filling:
		p.filling = nil
		return nil
	case err := <-p.failed:
		p.fail(err)
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// idle tells whether all that was handed over is written.
func (p *publisher) idle() bool { return p.pending.Load() == 0 }

// drain hands over what is left and waits until all is written.
func (p *publisher) drain(ctx context.Context, to int64) error {
	if err := p.send(ctx, to); err != nil {
		return err
	}
	for !p.idle() {
		select {
		case <-p.idleC:
		case err := <-p.failed:
			p.fail(err)
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
