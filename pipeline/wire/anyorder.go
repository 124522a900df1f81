package wire

import "github.com/caddy-kline/caddy-kline/pipeline/core"

// anyOrder reads a record by hand, keys in any order. ok is false where the
// record is wrong or rare; encoding/json then decides. An error means the same
// as in Decode.
func (d *Decoder) anyOrder(b []byte, dst []core.Trade) (out []core.Trade, err error, ok bool) {
	n := len(dst)
	i := skipSpace(b, 0)
	if i >= len(b) {
		return dst, nil, false
	}
	var end int
	switch {
	case b[i] == '{':
		out, end, err, ok = d.record(b, i, dst)
	case b[i] == '[' && d.inner != nil:
		out, end, ok = d.envelopes(b, i+1, dst)
	case b[i] == '[':
		out, end, ok = d.elements(b, i+1, d.root, dst)
	}
	if !ok || skipSpace(b, end) != len(b) {
		return dst[:n], nil, false
	}
	if err == nil {
		err = checkCount(len(out) - n)
	}
	if err != nil {
		return dst[:n], err, true
	}
	return out, nil, true
}

// checkCount refuses records without trades and with too many.
func checkCount(trades int) error {
	switch {
	case trades == 0:
		return reject(core.ReasonDecode, "")
	case trades > MaxTrades:
		return reject(core.ReasonTooLarge, "")
	}
	return nil
}

// record reads one object: a trade, or what encloses an array of them.
func (d *Decoder) record(b []byte, i int, dst []core.Trade) (out []core.Trade, end int, err error, ok bool) {
	d.reset()
	if end, ok = d.object(b, i+1, d.root, 0); !ok {
		return dst, end, nil, false
	}
	if d.inner == nil {
		dst = grow(dst)
		d.judge(&dst[len(dst)-1])
		return dst, end, nil, true
	}
	if d.list == nil {
		return dst, end, reject(core.ReasonDecode, d.inner.path), true
	}
	out, _, ok = d.elements(d.list, 1, d.inner.child, dst)
	return out, end, nil, ok
}

// envelopes reads an array, behind its bracket, of what encloses arrays of trades. One
// without such an array is refused like a trade: the others have theirs.
func (d *Decoder) envelopes(b []byte, i int, dst []core.Trade) (out []core.Trade, end int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
		return dst, i + 1, true
	}
	for {
		if i = skipSpace(b, i); i >= len(b) {
			return dst, i, false
		}
		if b[i] == '{' {
			var err error
			if dst, i, err, ok = d.record(b, i, dst); err != nil {
				dst = append(dst, d.noList())
			}
		} else {
			i, ok = skipValue(b, i, 0)
			dst = append(dst, core.Trade{Reject: core.ReasonDecode})
		}
		if !ok {
			return dst, i, false
		}
		var more bool
		if i, more, ok = separator(b, i, ']'); !ok || !more {
			return dst, i, ok
		}
	}
}

// noList stands for the trades of an envelope that has none.
func (d *Decoder) noList() core.Trade {
	return core.Trade{Reject: core.ReasonDecode, Field: d.inner.path}
}

// reset forgets the trade read before.
func (d *Decoder) reset() {
	d.tok = tokens{}
	d.seen, d.list = 0, nil
}

// elements reads an array of objects behind its bracket. Fields outside the
// array are shared by its trades.
func (d *Decoder) elements(b []byte, i int, n *node, dst []core.Trade) (out []core.Trade, end int, ok bool) {
	if i = skipSpace(b, i); i < len(b) && b[i] == ']' {
		return dst, i + 1, true
	}
	if n == d.root {
		d.reset()
	}
	shared, seen := d.tok, d.seen
	for {
		if i = skipSpace(b, i); i >= len(b) {
			return dst, i, false
		}
		d.tok, d.seen = shared, seen
		isObject := b[i] == '{'
		if isObject {
			i, ok = d.object(b, i+1, n, 0)
		} else {
			i, ok = skipValue(b, i, 0)
		}
		if !ok {
			return dst, i, false
		}
		dst = grow(dst)
		d.element(&dst[len(dst)-1], isObject)
		var more bool
		if i, more, ok = separator(b, i, ']'); !ok || !more {
			return dst, i, ok
		}
	}
}

// element judges one element of an array.
func (d *Decoder) element(t *core.Trade, isObject bool) {
	if isObject {
		d.judge(t)
		return
	}
	*t = core.Trade{Reject: core.ReasonDecode}
}

// object reads the keys of one object behind its brace.
func (d *Decoder) object(b []byte, i int, n *node, depth int) (end int, ok bool) {
	n.prev = -1
	if i = skipSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for {
		if i = skipSpace(b, i); i >= len(b) || b[i] != '"' {
			return i, false
		}
		e := n.at(b, i+1)
		if e != nil {
			i += len(e.name) + 1
		} else {
			key := i + 1
			if i, ok = scanString(b, key); !ok {
				return i, false
			}
			e = n.lookup(b[key:i])
		}
		if i, ok = colon(b, i+1); !ok {
			return i, false
		}
		if i, ok = d.value(b, i, e, depth); !ok {
			return i, false
		}
		var more bool
		if i, more, ok = separator(b, i, '}'); !ok || !more {
			return i, ok
		}
	}
}

// value reads what stands behind a key.
func (d *Decoder) value(b []byte, i int, e *edge, depth int) (end int, ok bool) {
	if e == nil {
		return skipValue(b, i, depth)
	}
	if d.seen&e.bit != 0 {
		return i, false // a duplicate key: the last one wins, as in encoding/json
	}
	d.seen |= e.bit
	switch {
	case e.child == nil:
		d.tok[e.field], end, ok = scanToken(b, i)
		return end, ok
	case e.array:
		if end, ok = skipValue(b, i, depth); ok && b[i] == '[' {
			d.list = b[i:end]
		}
		return end, ok
	case b[i] == '{':
		return d.object(b, i+1, e.child, depth+1)
	}
	return skipValue(b, i, depth)
}
