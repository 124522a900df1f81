package serve

// ring keeps the newest non-forming frames of all series in log order, bounded
// in bytes. Frames of one series are linked backwards by number, so a resume
// walks only what it replays. Links are numbers and not pointers: a pointer
// would keep everything that was evicted alive.
//
// The ring belongs to the Hub and is guarded by its lock.
type ring struct {
	frames []*frame // a deque: frames[head:] are live
	head   int
	first  uint64 // number of frames[head]
	bytes  int64
	limit  int64
}

func newRing(limit int64) *ring { return &ring{first: 1, limit: limit} }

// frameCost is what a frame occupies besides its bytes.
const frameCost = 160

// add numbers f, links it to its series and evicts what the bound asks for.
func (r *ring) add(f *frame) {
	f.seq = r.first + uint64(len(r.frames)-r.head)
	f.prev = f.series.newest
	f.series.newest = f.seq
	r.frames = append(r.frames, f)
	r.bytes += int64(len(f.event)) + frameCost
	for r.bytes > r.limit && r.head < len(r.frames) {
		r.evict()
	}
}

// evict drops the oldest frame and remembers in its series how far back a
// resume can no longer go.
func (r *ring) evict() {
	f := r.frames[r.head]
	r.frames[r.head] = nil
	r.head++
	r.first++
	r.bytes -= int64(len(f.event)) + frameCost
	if f.at.compare(f.series.floor) > 0 {
		f.series.floor = f.at
	}
	if r.head > 1024 && r.head > len(r.frames)/2 {
		n := copy(r.frames, r.frames[r.head:])
		clear(r.frames[n:])
		r.frames = r.frames[:n]
		r.head = 0
	}
}

// get returns the frame with that number, nil if it was evicted.
func (r *ring) get(seq uint64) *frame {
	if seq < r.first {
		return nil
	}
	i := r.head + int(seq-r.first)
	if i >= len(r.frames) {
		return nil
	}
	return r.frames[i]
}

// since appends the frames of s beyond the point at, newest first, until there
// are more than most in dst.
func (r *ring) since(dst []*frame, s *series, at point, most int) []*frame {
	for f := r.get(s.newest); f != nil && f.at.compare(at) > 0 && len(dst) <= most; f = r.get(f.prev) {
		dst = append(dst, f)
	}
	return dst
}
