package core

import "slices"

// ring holds the closed bars of one series that may still change, oldest first.
type ring struct {
	buf  []accumulator // length is a power of two, or 0
	head int
	n    int
	// oldest is the open time of the first bar: most looks at a ring find
	// nothing to drop, and need not touch the bars.
	oldest int64
}

func (r *ring) at(i int) *accumulator { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// push appends a bar newer than all others and returns its place.
func (r *ring) push(a *accumulator) *accumulator {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.n++
	p := r.at(r.n - 1)
	*p = *a
	r.oldest = r.at(0).start
	return p
}

func (r *ring) grow() {
	buf := make([]accumulator, max(1, 2*len(r.buf)))
	for i := range r.n {
		buf[i] = *r.at(i)
	}
	r.buf, r.head = buf, 0
}

// drop forgets the oldest bar.
func (r *ring) drop() {
	r.at(0).text = nil
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if r.n > 0 {
		r.oldest = r.at(0).start
	}
}

// search returns the index of the first bar that does not open before start,
// and whether it opens there.
func (r *ring) search(start int64) (int, bool) {
	i := r.n
	for i > 0 && r.at(i-1).start >= start {
		i--
	}
	return i, i < r.n && r.at(i).start == start
}

// insert puts a bar at index i.
func (r *ring) insert(i int, a *accumulator) *accumulator {
	r.push(a)
	for j := r.n - 1; j > i; j-- {
		*r.at(j) = *r.at(j - 1)
	}
	*r.at(i) = *a
	r.oldest = r.at(0).start
	return r.at(i)
}

// openBars are the bars of one series whose end has not passed, oldest first:
// one, or as many as the watermark delay spans.
type openBars []accumulator

// locate returns the index of the first bar that does not open before start,
// and whether it opens there.
func (o openBars) locate(start int64) (int, bool) {
	i := len(o)
	for i > 0 && o[i-1].start >= start {
		i--
	}
	return i, i < len(o) && o[i].start == start
}

// insert makes room for a bar at index i.
func (o *openBars) insert(i int) *accumulator {
	*o = slices.Insert(*o, i, accumulator{})
	return &(*o)[i]
}

// shift removes the oldest bar.
func (o *openBars) shift() {
	copy(*o, (*o)[1:])
	last := len(*o) - 1
	(*o)[last].text = nil
	*o = (*o)[:last]
}
