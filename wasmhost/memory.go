package wasmhost

import (
	"fmt"
	"sync/atomic"
)

// account counts the bytes of guest memories: of all guests of a host, of all
// that were uploaded, of one tenant. What is booked in one is booked in those
// above it.
type account struct {
	above *account // nil: the host's own
	limit int64
	used  atomic.Int64
}

// take books n bytes, or nothing if a limit does not allow it.
func (a *account) take(n int64) bool {
	if a.used.Add(n) > a.limit || a.above != nil && !a.above.take(n) {
		a.used.Add(-n)
		return false
	}
	return true
}

func (a *account) give(n int64) {
	for ; a != nil; a = a.above {
		a.used.Add(-n)
	}
}

// room tells whether n more bytes would fit now.
func (a *account) room(n int64) bool {
	for ; a != nil; a = a.above {
		if a.used.Load()+n > a.limit {
			return false
		}
	}
	return true
}

// linearMemory is the memory of one guest. The address space for its maximum
// is reserved at once and grown by reslicing: nothing is copied, and views
// into it stay valid while it grows.
type linearMemory struct {
	account *account
	region  []byte // the reservation, len = maximum
	size    int64  // booked
}

// newLinearMemory reserves limit bytes and books the first of them. Doing both
// before the runtime asks is necessary: it panics on a refused minimum.
func newLinearMemory(a *account, first, limit int64) (*linearMemory, error) {
	if first > limit {
		return nil, fmt.Errorf("module needs %d bytes of memory, the limit of an instance is %d", first, limit)
	}
	if !a.take(first) {
		return nil, fmt.Errorf("%w: %d bytes in use, limit %d", ErrMemory, a.used.Load(), a.limit)
	}
	region, err := reserve(limit)
	if err != nil {
		a.give(first)
		return nil, fmt.Errorf("reserving %d bytes of address space: %w", limit, err)
	}
	return &linearMemory{account: a, region: region, size: first}, nil
}

// Reallocate grows the memory to size bytes, or returns nil, which the guest
// sees as -1 from memory.grow.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.region)) {
		return nil
	}
	n := int64(size)
	if n > m.size {
		if !m.account.take(n - m.size) {
			return nil
		}
		m.size = n
	}
	return m.region[:n:n]
}

// Free returns the memory. Views into it fault from now on.
func (m *linearMemory) Free() {
	if m.region == nil {
		return
	}
	release(m.region)
	m.account.give(m.size)
	m.region, m.size = nil, 0
}
