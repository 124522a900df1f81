package wasmhost

import (
	"fmt"
	"slices"
)

// guest returns an instance of m that can be called.
func (s *Shard) guest(m *Module) (*guest, error) {
	for _, g := range s.guests[m] {
		if g = s.mend(g); g.broken == nil {
			return g, nil
		}
	}
	return s.addGuest(m)
}

func (s *Shard) addGuest(m *Module) (*guest, error) {
	g, err := newGuest(s.host, m)
	if err != nil {
		return nil, err
	}
	s.guests[m] = append(s.guests[m], g)
	return g, nil
}

func (s *Shard) removeGuest(g *guest) {
	list := s.guests[g.module]
	if i := slices.Index(list, g); i >= 0 {
		s.guests[g.module] = slices.Delete(list, i, i+1)
	}
	g.close()
}

// dropGuests ends all instances of a module that was not accepted.
func (s *Shard) dropGuests(m *Module) {
	for _, g := range s.guests[m] {
		g.close()
	}
	delete(s.guests, m)
}

// mend replaces an instance that trapped and returns the one to use. All
// slots move: a state is undefined only if the call that trapped could write
// to it, and those were marked. If there is no replacement now, the old
// instance stays for its readable memory, and the next caller tries again.
func (s *Shard) mend(old *guest) *guest {
	old.module.stats.add(&old.count)
	if old.broken == nil {
		return old
	}
	g, err := newGuest(s.host, old.module)
	if err != nil {
		old.broken = fmt.Errorf("replacing an instance after a trap: %w", err)
		return old
	}
	bases := make([]uint32, len(old.slabs))
	for i, b := range old.slabs {
		if bases[i], err = g.allocate(slabSize); err != nil {
			g.close()
			old.broken = fmt.Errorf("replacing an instance after a trap: %w", err)
			return old
		}
		copy(g.view[bases[i]:bases[i]+slabSize], old.view[b.base:b.base+slabSize])
	}
	for i, b := range old.slabs {
		b.guest, b.base = g, bases[i]
	}
	g.slabs, g.full, g.count = old.slabs, old.full, counters{}
	list := s.guests[old.module]
	list[slices.Index(list, old)] = g
	old.close()
	return g
}
