package serve

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Names of X-Data-Source that are no database's.
const (
	sourceLog    = "log"
	sourceMemory = "memory"
)

// Gap is a range of open times, From <= t < To in ms, whose bars an answer may
// lack (From firstOpen: from wherever the series begins): neither memory nor the log nor a database that answers is known to hold
// all of them.
type Gap struct{ From, To int64 }

// origin is what a copy of a group that reaches behind memory knows of its rows.
// A nil origin is that of a group in memory.
type origin struct {
	parts   []part
	missing []Gap
	// seed is the open time of the first bar that values were computed from, whole
	// tells that no store holds one before it; both mean nothing without seeded.
	seed          int64
	whole, seeded bool
	mark          uint64 // of all rows
}

// part says where the rows before an open time come from, down to the part
// before it.
type part struct {
	upto int64
	name string
}

// sourcesOf lists where the rows of a window come from, the oldest first.
func (g *group) sourcesOf(w *window) []string {
	if g.origin == nil {
		return []string{sourceMemory}
	}
	var names []string
	i := w.i
	for _, p := range g.origin.parts {
		j := max(min(g.bars.search(p.upto), w.j), i)
		if (j > i || p.name == sourceMemory && w.forming) && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
		i = j
	}
	if len(names) == 0 { // nothing was found: say where it was looked for
		for _, p := range g.origin.parts {
			names = append(names, p.name)
		}
	}
	return slices.Compact(names)
}

// gaps lists what a window may lack.
func (g *group) gaps(w *window) []Gap {
	if g.origin == nil {
		return w.missing
	}
	out := slices.Clone(w.missing)
	for _, m := range g.origin.missing {
		if !w.hasNext || m.From < w.next { // what is beyond the page is the next one's
			out = append(out, m)
		}
	}
	return out
}

// appendMissing writes the member that names gaps: "missing":[[from,to],..];
// from is null where nobody knows how far back it goes.
func appendMissing(dst []byte, gaps []Gap) []byte {
	for i, m := range gaps {
		if i == 0 {
			dst = append(dst, `,"missing":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		if m.From == firstOpen {
			dst = append(dst, "null"...)
		} else {
			dst = strconv.AppendInt(dst, m.From, 10)
		}
		dst = append(strconv.AppendInt(append(dst, ','), m.To, 10), ']')
	}
	if len(gaps) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// appendSeed writes where the computation of values began.
func (d *origin) appendSeed(dst []byte) []byte {
	if d == nil || !d.seeded {
		return dst
	}
	dst = appendInt(dst, `,"seed":{"t":`, d.seed)
	return append(strconv.AppendBool(append(dst, `,"whole":`...), d.whole), '}')
}

// appendMark writes what the bytes of an answer depend on beside the series in
// memory: all rows, since a store may be filled or changed by others.
func (d *origin) appendMark(dst []byte) []byte {
	if d == nil {
		return dst
	}
	dst = strconv.AppendUint(append(dst, "|d"...), d.mark, 36)
	return appendMissing(d.appendSeed(dst), d.missing)
}

// seal hashes the rows, as the last step.
func (d *origin) seal(g *group, inds []int) {
	hash := xxhash.New()
	add := func(text []byte) { _, _ = hash.Write(text) } // never fails
	g.bars.spans(0, g.bars.len(), add)
	g.sources.spans(0, g.sources.len(), add)
	for _, n := range inds {
		add([]byte{0})
		r := &g.value(n).rows
		r.spans(0, r.len(), add)
	}
	d.mark = hash.Sum64()
}

// describe adds to an answer where its rows come from and what they may lack.
func (a *Answer) describe(g *group, w *window) {
	a.Sources = mergeSources(a.Sources, g.sourcesOf(w))
	if a.Missing = append(a.Missing, g.gaps(w)...); len(a.Missing) > 0 {
		a.Cache = CacheLive // the next answer may have them
	}
}

// mergeSources unites lists that are ordered from databases over the log to
// memory.
func mergeSources(a, b []string) []string {
	rank := func(name string) int {
		return slices.Index([]string{sourceLog, sourceMemory}, name)
	}
	out := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.SortStableFunc(out, func(x, y string) int { return rank(x) - rank(y) })
	return out
}

// Source is the value of X-Data-Source: where the rows come from, the oldest
// first. Empty for answers that have no rows.
func (a *Answer) Source() string { return strings.Join(a.Sources, ", ") }

// MissingText is the value of X-Data-Missing: from-to of each gap, -to where nobody
// knows how far back it goes; empty without.
func (a *Answer) MissingText() string {
	var dst []byte
	for i, m := range a.Missing {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if m.From > firstOpen {
			dst = strconv.AppendInt(dst, m.From, 10)
		}
		dst = strconv.AppendInt(append(dst, '-'), m.To, 10)
	}
	return string(dst)
}
