package wire

import (
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// decodeCanonical reads one trade whose keys stand in the order that our own
// feeds write, with no white space or one space behind colons and commas. It
// reports false, with t undefined, for anything else, good or bad: the other
// parsers then decide.
func decodeCanonical(b []byte, t *core.Trade) bool {
	const open = `{"symbol":`
	if len(b) < len(open) || string(b[:len(open)]) != open {
		return false
	}
	c := cursor{b: b, i: len(open)}
	c.space()
	*t = core.Trade{}
	ok := c.symbol(&t.Symbol)
	ok = ok && c.key(`"price":`) && c.decimal(&t.Price)
	ok = ok && c.key(`"size":`) && c.decimal(&t.Size)
	ok = ok && c.key(`"ts":`) && c.millis(&t.EventNS)
	return ok && c.rest(t)
}

// cursor walks over one canonical record.
type cursor struct {
	b []byte
	i int
}

// rest reads the optional keys and the closing brace.
func (c *cursor) rest(t *core.Trade) bool {
	if c.key(`"tn":`) && !c.subMillis(&t.EventNS) {
		return false
	}
	if c.key(`"id":`) && !c.id(&t.ID) {
		return false
	}
	if c.key(`"side":`) && !c.side(&t.Side) {
		return false
	}
	if c.key(`"seq":`) {
		if t.Seq, t.HasSeq = c.integer(); !t.HasSeq {
			return false
		}
	}
	if c.key(`"op":`) && !c.word(`"new"`) {
		return false
	}
	return c.i == len(c.b)-1 && c.b[c.i] == '}'
}

func (c *cursor) space() {
	if c.i < len(c.b) && c.b[c.i] == ' ' {
		c.i++
	}
}

// key steps over a comma, the key and its colon, if they are next.
func (c *cursor) key(key string) bool {
	i := c.i
	if i+2+len(key) > len(c.b) || c.b[i] != ',' {
		return false
	}
	if i++; c.b[i] == ' ' {
		i++
	}
	end := i + len(key)
	if string(c.b[i:end]) != key {
		return false
	}
	if end < len(c.b) && c.b[end] == ' ' {
		end++
	}
	c.i = end
	return true
}

func (c *cursor) word(word string) bool {
	end := c.i + len(word)
	if end > len(c.b) || string(c.b[c.i:end]) != word {
		return false
	}
	c.i = end
	return true
}

func (c *cursor) symbol(s *[]byte) bool {
	i := c.i
	if i >= len(c.b) || c.b[i] != '"' {
		return false
	}
	end, ok := scanString(c.b, i+1)
	if !ok || !core.ValidSymbol(c.b[i+1:end]) {
		return false
	}
	*s, c.i = c.b[i+1:end], end+1
	return true
}

// decimal reads a plain decimal of at most 18 digits, quoted or not. Signs,
// exponents and leading zeros are left to core.ParseDecimal.
func (c *cursor) decimal(v *core.Decimal) bool {
	b, i := c.b, c.i
	quoted := i < len(b) && b[i] == '"'
	if quoted {
		i++
	}
	start, point := i, -1
	var coef uint64
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d <= 9 {
			coef = coef*10 + uint64(d)
			continue
		}
		if b[i] != '.' || point >= 0 {
			break
		}
		point = i
	}
	digits, scale := i-start, 0
	if point >= 0 {
		digits--
		scale = i - point - 1
		if scale == 0 || point == start {
			return false
		}
	}
	if digits == 0 || digits > 18 || (b[start] == '0' && digits > 1 && point != start+1) {
		return false
	}
	if quoted {
		if i >= len(b) || b[i] != '"' {
			return false
		}
		i++
	}
	for scale > 0 && coef%10 == 0 {
		coef /= 10
		scale--
	}
	*v = core.Decimal{Coef: int64(coef), Scale: uint8(scale)}
	c.i = i
	return true
}

// integer reads an unquoted integer without sign, at most 18 digits.
func (c *cursor) integer() (v int64, ok bool) {
	i := c.i
	for i < len(c.b) && c.b[i]-'0' <= 9 {
		v = v*10 + int64(c.b[i]-'0')
		i++
	}
	n := i - c.i
	if n == 0 || n > 18 || (c.b[c.i] == '0' && n > 1) {
		return 0, false
	}
	if i < len(c.b) && (c.b[i] == '.' || c.b[i]|0x20 == 'e') {
		return 0, false
	}
	c.i = i
	return v, true
}

// maxMillis is the last millisecond that an int64 of nanoseconds holds whole.
const maxMillis = 9_223_372_036_853

func (c *cursor) millis(ns *int64) bool {
	ms, ok := c.integer()
	*ns = ms * 1e6
	return ok && ms <= maxMillis
}

func (c *cursor) subMillis(ns *int64) bool {
	sub, ok := c.integer()
	*ns += sub
	return ok && sub <= maxSubMillis
}

// id reads an integer id, or a text of up to 64 plain characters that is not
// the text of an integer.
func (c *cursor) id(id *core.TradeID) bool {
	if c.i >= len(c.b) || c.b[c.i] != '"' {
		n, ok := c.integer()
		*id = core.TradeID{Kind: core.IDInt, Num: n}
		return ok
	}
	end, ok := scanString(c.b, c.i+1)
	if !ok {
		return false
	}
	tok := token{text: c.b[c.i+1 : end], kind: tokenString}
	c.i = end + 1
	return plain(tok.text) && tradeID(&tok, id)
}

func (c *cursor) side(s *core.Side) bool {
	switch {
	case c.word(`"buy"`):
		*s = core.SideBuy
	case c.word(`"sell"`):
		*s = core.SideSell
	default:
		return false
	}
	return true
}
