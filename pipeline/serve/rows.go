package serve

import "sort"

// rows are encoded JSON values, one per open time, ascending. A read of many is
// one copy a page. The oldest are cut at the front.
//
// They lie in pages and not in one buffer: a series that grows would be copied
// each time its buffer doubles, and hold up to twice what it needs.
type rows struct {
	pages []page // none is empty
	// head is the number of the oldest row kept, counted since the beginning as
	// page.base is; rows of the first page before it are cut.
	head  int
	n     int   // rows kept
	bytes int64 // what the pages occupy
	spare page  // a page that was cut away whole, for the next one
}

func (r *rows) len() int { return r.n }

// size is the memory the rows occupy, in bytes.
func (r *rows) size() int64 { return r.bytes }

// at is the open time of row i, counted from the oldest kept one.
func (r *rows) at(i int) int64 {
	p, k := r.locate(i)
	return r.pages[p].t[k]
}

// locate finds row i: the page, and its number in it.
func (r *rows) locate(i int) (p, k int) {
	at := r.head + i
	p = len(r.pages) - 1
	if r.pages[p].base > at { // most reads are of the newest
		p = sort.Search(p, func(j int) bool { return r.pages[j].base > at }) - 1
	}
	return p, at - r.pages[p].base
}

// clone are the same rows in memory of their own.
func (r *rows) clone() (c rows) {
	for i := range r.n {
		c.add(r.at(i), r.row(i))
	}
	return c
}

// search returns the first row at or after t.
func (r *rows) search(t int64) int {
	last := len(r.pages) - 1
	if r.n == 0 || r.pages[last].last() < t { // the usual case: a new bar
		return r.n
	}
	p := sort.Search(last, func(j int) bool { return r.pages[j].last() >= t })
	pg := &r.pages[p]
	live := max(r.head-pg.base, 0) // what was cut does not count, and may be newer than t
	k := live + sort.Search(pg.len()-live, func(j int) bool { return pg.t[live+j] >= t })
	return pg.base + k - r.head
}

// find returns the text of the row of open time t, if there is one. It is valid
// until the next put or cut.
func (r *rows) find(t int64) (row []byte, ok bool) {
	i := r.search(t)
	if i == r.n || r.at(i) != t {
		return nil, false
	}
	return r.row(i), true
}

// row is the text of row i. It is valid until the next put or cut.
func (r *rows) row(i int) []byte {
	p, k := r.locate(i)
	return r.pages[p].span(k, k+1)
}

// appendSpan appends the text of rows i to j-1, joined by commas; nothing for
// i >= j.
func (r *rows) appendSpan(dst []byte, i, j int) []byte {
	r.spans(i, j, func(text []byte) {
		if i < 0 {
			dst = append(dst, ',')
		}
		dst, i = append(dst, text...), -1
	})
	return dst
}

// spanSize is the length of what appendSpan would append.
func (r *rows) spanSize(i, j int) int {
	size := -1
	r.spans(i, j, func(text []byte) { size += len(text) + 1 })
	return max(size, 0)
}

// spans calls fn for the text of rows i to j-1, page by page.
func (r *rows) spans(i, j int, fn func(text []byte)) {
	if i >= j {
		return
	}
	p, k := r.locate(i)
	for left := j - i; left > 0; p, k = p+1, 0 {
		pg := &r.pages[p]
		l := min(k+left, pg.len())
		fn(pg.span(k, l))
		left -= l - k
	}
}

// each calls fn for the text of rows i to j-1.
func (r *rows) each(i, j int, fn func(row []byte)) {
	if i >= j {
		return
	}
	p, k := r.locate(i)
	for left := j - i; left > 0; p, k = p+1, 0 {
		pg := &r.pages[p]
		for ; k < pg.len() && left > 0; k, left = k+1, left-1 {
			fn(pg.span(k, k+1))
		}
	}
}

// meanSize is about what a row takes in an answer, or what is said where there is none.
func (r *rows) meanSize(none int) int {
	if r.n == 0 {
		return none
	}
	pg := &r.pages[len(r.pages)-1]
	return (len(pg.buf) + pg.len()) / pg.len()
}

// put adds the row of open time t, or replaces it.
func (r *rows) put(t int64, row []byte) {
	i := r.search(t)
	if i == r.n {
		r.add(t, row)
		return
	}
	p, k := r.locate(i)
	pg := &r.pages[p]
	r.bytes -= pg.size()
	if pg.t[k] == t {
		pg.replace(k, row)
	} else {
		pg.insert(k, t, row)
		r.n++
		r.renumber(p+1, 1)
	}
	r.bytes += pg.size()
	if pg.len() > 2*pageRows {
		r.split(p)
	}
}

func (r *rows) add(t int64, row []byte) {
	last := len(r.pages) - 1
	if last < 0 || r.pages[last].len() >= pageRows {
		r.open()
		last++
	}
	pg := &r.pages[last]
	r.bytes -= pg.size()
	pg.add(t, row)
	r.bytes += pg.size()
	r.n++
}

// open adds an empty page, of the size that the one before it came to.
func (r *rows) open() {
	fresh := page{base: r.head + r.n, buf: r.spare.buf[:0], t: r.spare.t[:0], off: r.spare.off[:0]}
	r.spare = page{}
	if last := len(r.pages) - 1; last >= 0 && cap(fresh.buf) == 0 {
		size := len(r.pages[last].buf)
		fresh.buf, fresh.t, fresh.off = make([]byte, 0, size+size/16), make([]int64, 0, pageRows), make([]uint32, 0, pageRows)
	}
	r.pages = append(r.pages, fresh)
	r.bytes += fresh.size()
}

// renumber moves the pages from p on by a number of rows.
func (r *rows) renumber(p, by int) {
	for ; p < len(r.pages); p++ {
		r.pages[p].base += by
	}
}

// split makes two pages of one that bars born late have filled.
func (r *rows) split(p int) {
	whole := r.pages[p]
	a, b := whole.part(0, whole.len()/2), whole.part(whole.len()/2, whole.len())
	r.bytes += a.size() + b.size() - whole.size()
	r.pages = append(r.pages, page{})
	copy(r.pages[p+2:], r.pages[p+1:])
	r.pages[p], r.pages[p+1] = a, b
}

// cut drops the oldest n rows. A page without rows becomes the next one: a full
// series never allocates again, and nobody keeps a row beyond the lock.
func (r *rows) cut(n int) {
	n = min(n, r.n)
	r.head += n
	r.n -= n
	gone := 0
	for gone < len(r.pages) && r.pages[gone].base+r.pages[gone].len() <= r.head {
		r.bytes -= r.pages[gone].size()
		r.spare = r.pages[gone]
		gone++
	}
	if gone > 0 {
		left := copy(r.pages, r.pages[gone:])
		clear(r.pages[left:])
		r.pages = r.pages[:left]
	}
}

// cutBefore drops the rows before from, or all of them.
func (r *rows) cutBefore(from int64, all bool) {
	if all {
		r.cut(r.n)
		return
	}
	r.cut(r.search(from))
}

// compact gives back all memory that no row needs.
func (r *rows) compact() {
	r.spare = page{}
	for _, p := range []int{0, len(r.pages) - 1} {
		if p < 0 || p >= len(r.pages) {
			continue
		}
		pg := &r.pages[p]
		r.bytes -= pg.size()
		*pg = pg.part(max(r.head-pg.base, 0), pg.len())
		r.bytes += pg.size()
	}
}
