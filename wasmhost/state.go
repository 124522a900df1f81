package wasmhost

import "fmt"

// Read appends the state bytes of a slot to dst. The bytes are the whole
// memory of the series: written to another slot of the same instance, of any
// shard or process, it continues there. A failed slot is refused with its
// [*SlotError]: its state is not what its bars would make of it.
func (s *Shard) Read(slot Slot, dst []byte) ([]byte, error) {
	c := s.take(opRead)
	c.slot, c.bytes = slot, dst
	s.submit(c)
	b, err := c.bytes, c.err
	s.give(c)
	if err != nil {
		return dst, fmt.Errorf("reading a state: %w", err)
	}
	return b, nil
}

// Write replaces the state of a slot. The length must be that of the state.
// A failure of the slot ends: whoever writes knows the state is good.
func (s *Shard) Write(slot Slot, src []byte) error {
	c := s.take(opWrite)
	c.slot, c.bytes = slot, src
	if err := s.finish(c); err != nil {
		return fmt.Errorf("writing a state: %w", err)
	}
	return nil
}

// StateSize returns the length of the state of a slot in bytes.
func (s *Shard) StateSize(slot Slot) (int, error) {
	var n int
	err := s.do(func(s *Shard) error {
		r, err := s.slots.get(slot)
		if err == nil {
			n = int(r.kind.size)
		}
		return err
	})
	return n, err
}

func (s *Shard) read(slot Slot, dst []byte) ([]byte, error) {
	r, err := s.slots.get(slot)
	if err != nil {
		return dst, err
	}
	if r.failed {
		return dst, s.failures[slot.index]
	}
	return append(dst, r.state()...), nil
}

func (s *Shard) write(slot Slot, src []byte) error {
	r, err := s.slots.get(slot)
	if err != nil {
		return err
	}
	if len(src) != int(r.kind.size) {
		return fmt.Errorf("%d bytes, the state of %s has %d", len(src), r.kind.inst.Name, r.kind.size)
	}
	s.restore(slot, r, src)
	return nil
}

// restore puts src, of the right length, into a slot.
func (s *Shard) restore(slot Slot, r *record, src []byte) {
	copy(r.state(), src)
	if r.failed {
		r.failed = false
		delete(s.failures, slot.index)
	}
}
