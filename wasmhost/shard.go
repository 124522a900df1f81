package wasmhost

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// Shard is one goroutine that owns guest instances and the series in them.
// Its methods may be called from any goroutine and block until the work is
// done; the order of two calls of one series is the caller's business. In
// steady state Apply, Backfill, Read and Write allocate nothing.
type Shard struct {
	host  *Host
	calls chan *call
	idle  chan *call    // used calls, to be used again
	quit  chan struct{} // closed by stop
	done  chan struct{} // closed when the goroutine has ended
	err   error         // why; readable after done
	once  sync.Once

	// The fields below belong to the goroutine.
	current  *call
	slots    table
	kinds    map[kindKey]*kind
	guests   map[*Module][]*guest
	failures map[uint32]*SlotError // by index of the slot
	jobs     []Job                 // of the Apply in progress
	staged   []*guest              // guests with staged jobs in it
	before   []byte                // a state before the bars of a call
}

// call is one piece of work on its way to the owner goroutine.
type call struct {
	op    op
	done  chan struct{}
	err   error
	fn    func(*Shard) error
	inst  *Instance
	ser   Series
	slot  Slot
	jobs  []Job
	bars  []Bar
	out   []float64
	flags []bool
	bytes []byte
	n     int
}

type op uint8

const (
	opFunc op = iota
	opOpen
	opClose
	opApply
	opBackfill
	opRead
	opWrite
	opFailure
)

// idleCalls bounds the calls kept for use again: more callers than this at
// one time allocate.
const idleCalls = 64

func newShard(h *Host, i int) *Shard {
	s := &Shard{
		host:     h,
		calls:    make(chan *call),
		idle:     make(chan *call, idleCalls),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
		kinds:    map[kindKey]*kind{},
		guests:   map[*Module][]*guest{},
		failures: map[uint32]*SlotError{},
	}
	s.slots.shard = int32(i)
	go s.own()
	return s
}

// own is the owner goroutine, the only one this package starts. A panic is a
// bug of the host: nobody can tell what it left half done, so the shard ends,
// and all callers get its error instead of waiting for ever.
func (s *Shard) own() {
	defer close(s.done)
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		s.err = fmt.Errorf("indicator shard %d ended by a panic: %v\n%s", s.slots.shard, p, debug.Stack())
		if c := s.current; c != nil {
			c.err = s.err
			c.done <- struct{}{}
		}
	}()
	for {
		select {
		case c := <-s.calls:
			s.current = c
			s.execute(c)
			s.current = nil
			c.done <- struct{}{}
		case <-s.quit:
			s.err = ErrClosed
			return
		}
	}
}

func (s *Shard) execute(c *call) {
	switch c.op {
	case opFunc:
		c.err = c.fn(s)
	case opOpen:
		c.slot, c.err = s.open(c.inst, c.ser)
	case opClose:
		c.err = s.closeSlot(c.slot)
	case opApply:
		c.err = s.apply(c.jobs)
	case opBackfill:
		c.n, c.err = s.backfill(c.slot, c.bars, c.out, c.flags)
	case opRead:
		c.bytes, c.err = s.read(c.slot, c.bytes)
	case opWrite:
		c.err = s.write(c.slot, c.bytes)
	case opFailure:
		c.err = s.failure(c.slot)
	}
}

// stop ends the goroutine and waits for it.
func (s *Shard) stop() {
	s.once.Do(func() { close(s.quit) })
	<-s.done
}

// take returns an empty call.
func (s *Shard) take(o op) *call {
	select {
	case c := <-s.idle:
		c.op = o
		return c
	default:
		return &call{op: o, done: make(chan struct{}, 1)}
	}
}

// give keeps a call for the next caller, without what it pointed to.
func (s *Shard) give(c *call) {
	*c = call{done: c.done}
	select {
	case s.idle <- c:
	default:
	}
}

// submit hands a call to the owner and waits for its end. A call that the
// owner took is always answered, also by a panicking owner.
func (s *Shard) submit(c *call) {
	select {
	case s.calls <- c:
		<-c.done
	case <-s.done:
		c.err = s.err
	}
}

// do runs fn on the owner goroutine.
func (s *Shard) do(fn func(*Shard) error) error {
	c := s.take(opFunc)
	c.fn = fn
	return s.finish(c)
}

// finish submits a call of which only the error matters.
func (s *Shard) finish(c *call) error {
	s.submit(c)
	err := c.err
	s.give(c)
	return err
}

// Open makes a slot for inst on bars of the given series, seeded as before the
// first bar. It fails when the module refuses the parameters and, with
// [ErrMemory], when the host has no memory left.
func (s *Shard) Open(inst *Instance, series Series) (Slot, error) {
	if err := series.check(); err != nil {
		return Slot{}, fmt.Errorf("opening %s: %w", inst.Name, err)
	}
	c := s.take(opOpen)
	c.inst, c.ser = inst, series
	s.submit(c)
	slot, err := c.slot, c.err
	s.give(c)
	if err != nil {
		return Slot{}, fmt.Errorf("opening %s: %w", inst.Name, err)
	}
	return slot, nil
}

// Close frees a slot for other series.
func (s *Shard) Close(slot Slot) error {
	c := s.take(opClose)
	c.slot = slot
	if err := s.finish(c); err != nil {
		return fmt.Errorf("closing a slot: %w", err)
	}
	return nil
}

// Failure returns why a slot has no values any more, as a [*SlotError], or nil.
func (s *Shard) Failure(slot Slot) error {
	c := s.take(opFailure)
	c.slot = slot
	return s.finish(c)
}

func (s *Shard) failure(slot Slot) error {
	if _, err := s.slots.get(slot); err != nil {
		return err
	}
	if f := s.failures[slot.index]; f != nil {
		return f
	}
	return nil
}
