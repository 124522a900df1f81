package wasmhost

import (
	"errors"
	"fmt"
)

// ErrMemory is wrapped by errors of [Shard.Open] and [Host.Load] when the
// guests of the host have all the memory that Config.MaxTotalMemory allows.
// Existing series go on.
var ErrMemory = errors.New("no memory left for indicators")

// errSlot means that a handle does not belong to an open series of the shard:
// a mistake of the caller.
var errSlot = errors.New("slot is not open in this shard")

// Slot is the handle of one series of one indicator in a [Shard]. The zero
// Slot is never open, and a handle is dead after Close even if its place is
// used again.
type Slot struct {
	shard int32
	index uint32
	gen   uint32
}

// SlotError is why a series has no values any more: its module returned an
// error or trapped. It stays so until the slot is closed or written to.
type SlotError struct {
	Code int32  // as in Job.RC
	Text string // foreign words, escaped and cut
}

// Error returns the text.
func (e *SlotError) Error() string { return e.Text }

// record is what a shard knows of a slot: 40 bytes, because there are many.
type record struct {
	slab   *slab
	kind   *kind
	off    uint32
	gen    uint32
	pass   uint32 // the pass of the guest in which a closed bar is staged
	failed bool
}

// state returns a view of the state bytes.
func (r *record) state() []byte { return r.slab.bytes(r.off, r.kind.size) }

// kind is what all slots of one instance on equal bars share.
type kind struct {
	key     kindKey
	inst    *Instance
	series  Series
	id      uint32 // of the indicator in its module
	size    uint32 // of the state
	room    uint32 // size, rounded
	outputs int    // with the degenerate flag
	values  int    // without
	source  Price
	refs    int
}

type kindKey struct {
	module *Module
	name   string
	series Series
}

// recordBlock keeps records in place: growing one long slice would copy it and
// hold both for a while.
const recordBlock = 1024

// table holds the records of a shard.
type table struct {
	shard  int32
	blocks []*[recordBlock]record
	count  uint32
	free   []uint32
}

func (t *table) at(i uint32) *record { return &t.blocks[i/recordBlock][i%recordBlock] }

// get returns the record of an open slot.
func (t *table) get(s Slot) (*record, error) {
	if s.shard != t.shard || s.index >= t.count || s.gen == 0 {
		return nil, errSlot
	}
	r := t.at(s.index)
	if r.gen != s.gen || r.slab == nil {
		return nil, errSlot
	}
	return r, nil
}

// add makes a record and its handle.
func (t *table) add() (*record, Slot) {
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if t.count%recordBlock == 0 {
			t.blocks = append(t.blocks, new([recordBlock]record))
		}
		i = t.count
		t.count++
	}
	r := t.at(i)
	r.gen++
	if r.gen == 0 { // 0 is the generation of the zero Slot
		r.gen = 1
	}
	return r, Slot{shard: t.shard, index: i, gen: r.gen}
}

func (t *table) remove(s Slot) {
	r := t.at(s.index)
	*r = record{gen: r.gen}
	t.free = append(t.free, s.index)
}

// kind returns the shared part of slots, making it on first use.
func (s *Shard) kind(inst *Instance, series Series) (*kind, error) {
	key := kindKey{inst.Module, inst.Name, series}
	if k := s.kinds[key]; k != nil {
		return k, nil
	}
	g, err := s.guest(inst.Module)
	if err != nil {
		return nil, err
	}
	size, err := g.stateSize(inst, series)
	s.mend(g)
	if err != nil {
		return nil, err
	}
	k := &kind{
		key: key, inst: inst, series: series, id: inst.Indicator.ID,
		size: uint32(size), room: roundSlot(uint32(size)),
		outputs: len(inst.Indicator.Outputs), values: len(inst.Outputs), source: inst.Source,
	}
	s.kinds[key] = k
	return k, nil
}

func (s *Shard) unref(k *kind) {
	if k.refs--; k.refs <= 0 {
		delete(s.kinds, k.key)
	}
}

// open makes a slot on the owner goroutine.
func (s *Shard) open(inst *Instance, series Series) (Slot, error) {
	k, err := s.kind(inst, series)
	if err != nil {
		return Slot{}, err
	}
	k.refs++
	b, off, err := s.place(k)
	if err != nil {
		s.unref(k)
		return Slot{}, err
	}
	clear(b.bytes(off, k.room)) // no byte of a former series of another owner
	g := b.guest
	if err := g.initialise(inst, series, b.base+off); err != nil {
		s.mend(g)
		b.give(off, k.room)
		s.unref(k)
		return Slot{}, err
	}
	r, handle := s.slots.add()
	r.slab, r.kind, r.off = b, k, off
	return handle, nil
}

// place finds room: in a slab, in a new slab, in a new instance.
func (s *Shard) place(k *kind) (*slab, uint32, error) {
	guests := s.guests[k.inst.Module]
	for _, g := range guests {
		if b, off, ok := g.place(k.room); ok && g.broken == nil {
			return b, off, nil
		} else if ok {
			b.give(off, k.room)
		}
	}
	for _, g := range guests {
		if g.broken != nil || g.full || !g.canGrow() {
			continue
		}
		b, off, err := s.extend(g, k.room)
		if err == nil {
			return b, off, nil
		}
		g.full = true
	}
	return s.placeInNew(k)
}

// placeInNew starts an instance for a slot, and ends it again if it has no
// room: an empty instance would only hold memory.
func (s *Shard) placeInNew(k *kind) (*slab, uint32, error) {
	g, err := s.addGuest(k.inst.Module)
	if err != nil {
		return nil, 0, err
	}
	if !s.host.account.room(2 * slabSize) {
		err = ErrMemory
	} else {
		var b *slab
		var off uint32
		if b, off, err = s.extend(g, k.room); err == nil {
			return b, off, nil
		}
	}
	list := s.guests[k.inst.Module]
	if g = list[len(list)-1]; len(list) > 1 {
		s.removeGuest(g)
	}
	return nil, 0, err
}

// extend takes a new slab from a guest.
func (s *Shard) extend(g *guest, room uint32) (*slab, uint32, error) {
	base, err := g.allocate(slabSize)
	if err != nil {
		s.mend(g)
		return nil, 0, fmt.Errorf("taking memory for series: %w", err)
	}
	b := newSlab(g, base)
	g.slabs = append(g.slabs, b)
	off, _ := b.take(room)
	return b, off, nil
}

// closeSlot frees a slot, and its instance if that was the last slot of one
// that is not the last instance.
func (s *Shard) closeSlot(slot Slot) error {
	r, err := s.slots.get(slot)
	if err != nil {
		return err
	}
	g, k := r.slab.guest, r.kind
	r.slab.give(r.off, k.room)
	delete(s.failures, slot.index)
	s.slots.remove(slot)
	s.unref(k)
	if len(s.guests[g.module]) > 1 && g.live() == 0 {
		s.removeGuest(g)
	}
	return nil
}
