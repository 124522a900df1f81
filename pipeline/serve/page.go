package serve

import "slices"

// pageRows is how many rows a page takes. Larger pages waste more in the
// thousands of series that have few bars, smaller ones more on headers.
const pageRows = 32

// page is a run of rows: their JSON joined by commas, and where each begins.
type page struct {
	base int // number of its first row, see rows.head
	buf  []byte
	t    []int64
	off  []uint32 // start of row k in buf; the row ends one comma before the next
}

func (p *page) len() int { return len(p.t) }

// last is the newest open time of the page, which has at least one row.
func (p *page) last() int64 { return p.t[len(p.t)-1] }

// size is the memory the page occupies, in bytes.
func (p *page) size() int64 {
	const header = 80
	return int64(header + cap(p.buf) + 8*cap(p.t) + 4*cap(p.off))
}

func (p *page) end(k int) int {
	if k+1 < len(p.off) {
		return int(p.off[k+1]) - 1
	}
	return len(p.buf)
}

// span is the text of rows k to l-1, joined by commas.
func (p *page) span(k, l int) []byte { return p.buf[p.off[k]:p.end(l-1)] }

// add puts a row behind the others.
func (p *page) add(t int64, row []byte) {
	if len(p.t) > 0 {
		p.buf = append(p.buf, ',')
	}
	p.off = append(p.off, uint32(len(p.buf))) // #nosec G115 -- a page holds some rows, never 4 GiB
	p.t = append(p.t, t)
	p.buf = append(p.buf, row...)
}

func (p *page) replace(k int, row []byte) {
	old := p.end(k) - int(p.off[k])
	p.buf = slices.Replace(p.buf, int(p.off[k]), p.end(k), row...)
	p.shift(k+1, len(row)-old)
}

// insert puts a row before row k.
func (p *page) insert(k int, t int64, row []byte) {
	at := p.off[k]
	p.buf = slices.Insert(p.buf, int(at), append(slices.Clone(row), ',')...)
	p.t = slices.Insert(p.t, k, t)
	p.off = slices.Insert(p.off, k, at)
	p.shift(k+1, len(row)+1)
}

func (p *page) shift(from, by int) {
	for i := from; i < len(p.off); i++ {
		p.off[i] = uint32(int(p.off[i]) + by) // #nosec G115 -- as in add
	}
}

// part copies rows k to l-1 into memory of exactly their size.
func (p *page) part(k, l int) page {
	c := page{base: p.base + k, buf: slices.Clone(p.span(k, l)), t: slices.Clone(p.t[k:l]), off: slices.Clone(p.off[k:l])}
	c.shift(0, -int(p.off[k]))
	return c
}
