package serve

import (
	"slices"
	"sort"
)

// rows are encoded JSON values joined by commas, one per open time, ascending.
// A read of many rows is one copy. The oldest are cut at the front.
type rows struct {
	buf  []byte
	t    []int64
	off  []int // start of row i in buf; the row ends one comma before the next
	head int   // rows before it are cut and wait for compaction
}

func (r *rows) len() int { return len(r.t) - r.head }

// at is the open time of row i, counted from the oldest kept one.
func (r *rows) at(i int) int64 { return r.t[r.head+i] }

// search returns the first row at or after t.
func (r *rows) search(t int64) int {
	live := r.t[r.head:]
	if n := len(live); n == 0 || live[n-1] < t { // the usual case: a new bar
		return n
	}
	return sort.Search(len(live), func(i int) bool { return live[i] >= t })
}

// row is the text of row i. It is valid until the next put or cut.
func (r *rows) row(i int) []byte { return r.span(i, i+1) }

// span is the text of rows i to j-1, joined by commas; empty for i >= j.
func (r *rows) span(i, j int) []byte {
	if i >= j {
		return nil
	}
	return r.buf[r.off[r.head+i]:r.end(r.head+j-1)]
}

func (r *rows) end(k int) int {
	if k+1 < len(r.off) {
		return r.off[k+1] - 1
	}
	return len(r.buf)
}

// put adds the row of open time t, or replaces it.
func (r *rows) put(t int64, row []byte) {
	i := r.search(t)
	k := r.head + i
	switch {
	case k == len(r.t):
		if len(r.buf) > 0 {
			r.buf = append(r.buf, ',')
		}
		r.off = append(r.off, len(r.buf))
		r.t = append(r.t, t)
		r.buf = append(r.buf, row...)
	case r.t[k] == t:
		old := r.end(k) - r.off[k]
		r.buf = slices.Replace(r.buf, r.off[k], r.end(k), row...)
		r.shift(k+1, len(row)-old)
	default:
		at := r.off[k]
		r.buf = slices.Insert(r.buf, at, append(slices.Clone(row), ',')...)
		r.t = slices.Insert(r.t, k, t)
		r.off = slices.Insert(r.off, k, at)
		r.shift(k+1, len(row)+1)
	}
}

func (r *rows) shift(from, by int) {
	for i := from; i < len(r.off); i++ {
		r.off[i] += by
	}
}

// cut drops the oldest n rows. When a quarter of the buffer is dead the rest
// moves to its front, in place: a full series never allocates again, and nobody
// keeps a row beyond the lock.
func (r *rows) cut(n int) {
	r.head += min(n, r.len())
	dead := r.dead()
	if r.head == 0 || dead*4 < len(r.buf) {
		return
	}
	r.buf = r.buf[:copy(r.buf, r.buf[dead:])]
	r.t = r.t[:copy(r.t, r.t[r.head:])]
	r.off = r.off[:copy(r.off, r.off[r.head:])]
	r.shift(0, -dead)
	r.head = 0
}

// cutBefore drops the rows before from, or all of them.
func (r *rows) cutBefore(from int64, all bool) {
	if all {
		r.cut(r.len())
		return
	}
	r.cut(r.search(from))
}

// dead is the number of bytes that cut rows still occupy.
func (r *rows) dead() int {
	if r.head < len(r.off) {
		return r.off[r.head]
	}
	return len(r.buf)
}

// compact gives back all memory that no row needs.
func (r *rows) compact() {
	dead := r.dead()
	r.buf = append(make([]byte, 0, (len(r.buf)-dead)*9/8), r.buf[dead:]...)
	r.t = slices.Clone(r.t[r.head:])
	r.off = slices.Clone(r.off[r.head:])
	r.shift(0, -dead)
	r.head = 0
}

// size is the memory the rows occupy, in bytes.
func (r *rows) size() int64 { return int64(cap(r.buf) + 8*cap(r.t) + 8*cap(r.off)) }
