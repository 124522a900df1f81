package wasmhost

import "fmt"

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
		// Set first: if kl_alloc traps, the replacement inherits it.
		g.full = true
		b, off, err := s.extend(g, k.room)
		if err == nil {
			g.full = false
			return b, off, nil
		}
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
	if !k.inst.Module.account.room(2 * slabSize) {
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
