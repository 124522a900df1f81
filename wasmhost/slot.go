package wasmhost

import "errors"

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
	Code  int32  // as in Job.RC
	Fault Fault  // with RCTrap
	Text  string // foreign words, escaped and cut

	// Shared tells that the call which trapped had other bars in it, of this
	// slot or of others: the fault may be theirs. Bar by bar, on a state from
	// before it, the slot shows whose it was.
	Shared bool

	// Case is the update that trapped, of an upload; nil where that is not known.
	Case *Case
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
