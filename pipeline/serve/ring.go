package serve

// ring keeps the newest records of all groups in log order, bounded in bytes, for
// clients that come back. It keeps the records and not the events that were made of
// them: a record has a quarter of the bytes of its events, and most are never asked for again.
//
// Entries of one group are linked backwards by number, so a resume walks only
// what it replays. Links are numbers and not pointers: a pointer would keep
// everything that was evicted alive.
//
// The ring belongs to the Hub and is guarded by its lock.
type ring struct {
	entries []entry // a deque: entries[head:] are live
	head    int
	first   uint64 // number of entries[head]
	bytes   int64
	limit   int64
	arena   arena
}

// entry is what one record of klines said of its group, or a reset.
type entry struct {
	group *group
	at    point  // of the whole record
	seq   uint64 // counts the entries of the ring from 1
	prev  uint64 // the one before it of the same group, 0 = none
	// record is the value on klines, nil of a reset.
	record []byte
	// events are those that cannot be made of the record: of series on demand, and
	// a reset.
	events []frame
	// last is the number of events of the record behind the first one; positions
	// inside of it need it.
	last int32
	// restated is the series, as an item, that the record restates; 0: it is of a bar.
	restated int32
	kind     kind
}

func newRing(limit int64) *ring { return &ring{first: 1, limit: limit} }

// entryCost and frameCost are what an entry and one of its events occupy besides
// their bytes.
const (
	entryCost = 128
	frameCost = 96
)

func (e *entry) cost() int64 {
	n := int64(len(e.record)) + entryCost
	for i := range e.events {
		n += int64(len(e.events[i].event)) + frameCost
	}
	return n
}

// add numbers e, links it to its group, copies its record and evicts what the bound
// asks for.
func (r *ring) add(e entry) {
	e.seq = r.first + uint64(len(r.entries)-r.head)
	e.prev = e.group.newestEntry
	e.group.newestEntry = e.seq
	e.record = r.arena.keep(e.record)
	r.entries = append(r.entries, e)
	r.bytes += e.cost()
	for r.bytes > r.limit && r.head < len(r.entries) {
		r.evict()
	}
}

// evict drops the oldest entry and remembers in its group how far back a resume
// can no longer go.
func (r *ring) evict() {
	e := &r.entries[r.head]
	if e.at.compare(e.group.floor) > 0 {
		e.group.floor = e.at
	}
	r.bytes -= e.cost()
	*e = entry{}
	r.head++
	r.first++
	if r.head > 1024 && r.head > len(r.entries)/2 {
		n := copy(r.entries, r.entries[r.head:])
		clear(r.entries[n:])
		r.entries = r.entries[:n]
		r.head = 0
	}
}

// get returns the entry with that number, nil if it was evicted. It is valid until
// the next add.
func (r *ring) get(seq uint64) *entry {
	if seq < r.first {
		return nil
	}
	i := r.head + int(seq-r.first)
	if i >= len(r.entries) {
		return nil
	}
	return &r.entries[i]
}

// since appends the entries of g beyond the point at that concern one of the wanted
// series, newest first, until there are more than most in dst.
func (r *ring) since(dst []*entry, g *group, wanted listening, at point, most int) []*entry {
	for e := r.get(g.newestEntry); e != nil && e.at.compare(at) > 0 && len(dst) <= most; e = r.get(e.prev) {
		if e.concerns(wanted) {
			dst = append(dst, e)
		}
	}
	return dst
}

// listening is the series of a stream.
type listening map[*series]struct{}

func (l listening) to(s *series) bool {
	_, ok := l[s]
	return ok
}

// concerns tells whether e may have an event of one of the wanted series. A closed
// bar has one of almost every series of its group.
func (e *entry) concerns(wanted listening) bool {
	for i := range e.events {
		if wanted.to(e.events[i].series) {
			return true
		}
	}
	if e.record == nil {
		return false
	}
	return e.kind == kindClosed || wanted.to(&e.group.series[e.restated])
}
