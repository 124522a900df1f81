package wasmhost

// slab is 1 MiB of guest memory cut into slots of any size. It outlives its
// guest: after a trap its bytes move to a new instance, and only guest and
// base change. Slots are therefore known by slab and offset.
type slab struct {
	guest *guest
	base  uint32
	used  uint32              // bytes cut from the front
	live  int                 // slots in use
	free  map[uint32][]uint32 // offsets of returned slots by size
}

func newSlab(g *guest, base uint32) *slab {
	return &slab{guest: g, base: base, free: map[uint32][]uint32{}}
}

// take cuts a slot of size bytes, a multiple of 16.
func (b *slab) take(size uint32) (off uint32, ok bool) {
	if list := b.free[size]; len(list) > 0 {
		off = list[len(list)-1]
		b.free[size] = list[:len(list)-1]
	} else if b.used+size <= slabSize {
		off = b.used
		b.used += size
	} else {
		return 0, false
	}
	b.live++
	return off, true
}

// give returns a slot. An empty slab starts again from the front, so that
// slots of other sizes find room.
func (b *slab) give(off, size uint32) {
	b.live--
	if b.live == 0 {
		b.used = 0
		clear(b.free)
		return
	}
	b.free[size] = append(b.free[size], off)
}

// bytes returns a view of a slot, valid until the next call of the guest.
func (b *slab) bytes(off, size uint32) []byte {
	from := b.base + off
	return b.guest.view[from : from+size : from+size]
}

// place finds room for a slot in the slabs of a guest.
func (g *guest) place(size uint32) (*slab, uint32, bool) {
	for i := len(g.slabs) - 1; i >= 0; i-- {
		if off, ok := g.slabs[i].take(size); ok {
			return g.slabs[i], off, true
		}
	}
	return nil, 0, false
}

// live counts the slots of a guest.
func (g *guest) live() int {
	n := 0
	for _, b := range g.slabs {
		n += b.live
	}
	return n
}

// roundSlot is the room that a state of n bytes takes.
func roundSlot(n uint32) uint32 { return (n + 15) &^ 15 }
