package serve

import (
	"bytes"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// barFields are the members of an encoded kline that other shapes are made of.
// The texts point into the row.
type barFields struct {
	t             int64
	o, h, l, c, v []byte
}

// parseBar reads a row that appendKline wrote: the order of its members is
// known, so each is found by the key before it.
func parseBar(row []byte) barFields {
	var b barFields
	var text []byte
	text, row = member(row, `,"t":`)
	b.t, _ = strconv.ParseInt(string(text), 10, 64)
	b.o, row = member(row, `,"o":`)
	b.h, row = member(row, `,"h":`)
	b.l, row = member(row, `,"l":`)
	b.c, row = member(row, `,"c":`)
	b.v, _ = member(row, `,"v":`)
	return b
}

// member returns the number behind key and the rest of the row from its end.
func member(row []byte, key string) (value, rest []byte) {
	i := bytes.Index(row, []byte(key))
	if i < 0 {
		return []byte("null"), row
	}
	rest = row[i+len(key):]
	if j := bytes.IndexByte(rest, ','); j >= 0 {
		return rest[:j], rest[j:]
	}
	return rest, nil
}

// each calls fn for the bars of a window, the forming one last.
func (g *group) each(w *window, fn func(row []byte)) {
	g.bars.each(w.i, w.j, fn)
	if w.forming {
		fn(g.forming)
	}
}

// exactKeys are the members that exact=1 turns into strings.
var exactKeys = [...]string{ //nolint:gochecknoglobals // a constant in all but syntax
	`,"o":`, `,"h":`, `,"l":`, `,"c":`, `,"v":`, `,"qv":`, `,"bv":`, `,"bqv":`, `,"vwap":`,
}

// appendDetailed writes the bars one by one: with prices and sizes as strings,
// with their source, or both.
func appendDetailed(dst []byte, g *group, w *window, q *KlinesQuery) []byte {
	first := true
	g.each(w, func(row []byte) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		t := parseBar(row).t
		if q.Exact {
			dst = appendExact(dst, row)
		} else {
			dst = append(dst, row...)
		}
		if q.Source {
			dst = append(append(dst[:len(dst)-1], `,"src":`...), g.sourceOf(t)...)
			dst = append(dst, '}')
		}
	})
	return dst
}

// appendExact writes a bar with prices and sizes as strings.
func appendExact(dst, row []byte) []byte {
	for _, key := range exactKeys {
		value, rest := member(row, key)
		head := row[:len(row)-len(rest)-len(value)]
		dst = append(append(dst, head...), '"')
		dst = append(append(dst, value...), '"')
		row = rest
	}
	return append(dst, row...)
}

// sourceOf is where the bar that opens at t came from.
func (g *group) sourceOf(t int64) []byte {
	if source, ok := g.sources.find(t); ok {
		return source
	}
	if g.forming != nil && g.formT == t {
		return g.formSrc
	}
	return []byte("null")
}

// appendSource writes the partition and the input offsets of a bar.
func appendSource(dst []byte, k *wire.KlineRecord) []byte {
	dst = appendInt(dst, `{"p":`, int64(k.P))
	dst = appendInt(dst, `,"o0":`, k.O0)
	dst = appendInt(dst, `,"o1":`, k.O1)
	return append(dst, '}')
}
