package wire

import (
	"encoding/binary"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// decodeCanonical reads one trade whose keys stand in the order that our own
// feeds write, with no white space or one space behind colons and commas. It
// reports false, with t undefined, for anything else, good or bad: the other
// parsers then decide.
func decodeCanonical(b []byte, t *core.Trade, symbolByte *[256]bool) bool {
	const open = `{"symbol":`
	if len(b) < len(open) || string(b[:len(open)]) != open {
		return false
	}
	c := cursor{b: b, i: len(open)}
	c.space()
	*t = core.Trade{}
	return c.symbol(&t.Symbol, symbolByte) &&
		c.key(keyPrice, maskPrice, 8) && c.decimal(&t.Price) &&
		c.key(keySize, maskSize, 7) && c.decimal(&t.Size) &&
		c.key(keyTS, maskTS, 5) && c.millis(&t.EventNS) &&
		c.rest(t)
}

// The keys as the eight bytes that a load gives, little endian, and the masks
// of the bytes that count.
const (
	keyPrice = '"' | 'p'<<8 | 'r'<<16 | 'i'<<24 | 'c'<<32 | 'e'<<40 | '"'<<48 | ':'<<56
	keySize  = '"' | 's'<<8 | 'i'<<16 | 'z'<<24 | 'e'<<32 | '"'<<40 | ':'<<48
	keyTS    = '"' | 't'<<8 | 's'<<16 | '"'<<24 | ':'<<32
	keyTN    = '"' | 't'<<8 | 'n'<<16 | '"'<<24 | ':'<<32
	keyID    = '"' | 'i'<<8 | 'd'<<16 | '"'<<24 | ':'<<32
	keySide  = '"' | 's'<<8 | 'i'<<16 | 'd'<<24 | 'e'<<32 | '"'<<40 | ':'<<48
	keySeq   = '"' | 's'<<8 | 'e'<<16 | 'q'<<24 | '"'<<32 | ':'<<40
	keyOp    = '"' | 'o'<<8 | 'p'<<16 | '"'<<24 | ':'<<32

	maskPrice = 1<<64 - 1
	maskSize  = 1<<56 - 1
	maskSide  = maskSize
	maskSeq   = 1<<48 - 1
	maskTS    = 1<<40 - 1 // tn, id and op are as long
)

// cursor walks over one record.
type cursor struct {
	b []byte
	i int
}

// rest reads the optional keys and the closing brace.
func (c *cursor) rest(t *core.Trade) bool {
	if c.key(keyTN, maskTS, 5) && !c.subMillis(&t.EventNS) {
		return false
	}
	if c.key(keyID, maskTS, 5) && !c.id(&t.ID) {
		return false
	}
	if c.key(keySide, maskSide, 7) && !c.side(&t.Side) {
		return false
	}
	if c.key(keySeq, maskSeq, 6) {
		if t.Seq, t.HasSeq = c.integer(); !t.HasSeq {
			return false
		}
	}
	if c.key(keyOp, maskTS, 5) && !c.word(`"new"`) {
		return false
	}
	return c.i == len(c.b)-1 && c.b[c.i] == '}'
}

func (c *cursor) space() {
	if c.i < len(c.b) && c.b[c.i] == ' ' {
		c.i++
	}
}

// key steps over a comma, the key of n bytes and its colon, if they are next.
// Too close to the end of the record to load a word, it gives up.
func (c *cursor) key(word, mask uint64, n int) bool {
	i := c.i
	if len(c.b)-i < 11 || c.b[i] != ',' {
		return false
	}
	if i++; c.b[i] == ' ' {
		i++
	}
	if binary.LittleEndian.Uint64(c.b[i:])&mask != word {
		return false
	}
	if i += n; c.b[i] == ' ' {
		i++
	}
	c.i = i
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

// maxSymbolBytes is the length of the longest symbol.
const maxSymbolBytes = 32

func (c *cursor) symbol(s *[]byte, symbolByte *[256]bool) bool {
	b, i := c.b, c.i
	if i >= len(b) || b[i] != '"' {
		return false
	}
	i++
	start := i
	for i < len(b) && symbolByte[b[i]] {
		i++
	}
	if i >= len(b) || b[i] != '"' {
		return false
	}
	*s, c.i = b[start:i], i+1
	// The table knows neither the length nor the first character.
	return i-start <= maxSymbolBytes && i > start && core.ValidSymbol(b[start:start+1])
}

// decimal reads a plain decimal, quoted or not.
func (c *cursor) decimal(v *core.Decimal) (ok bool) {
	b, i := c.b, c.i
	quoted := i < len(b) && b[i] == '"'
	if quoted {
		i++
	}
	if *v, i, ok = plainDecimal(b, i); !ok {
		return false
	}
	if quoted {
		if i >= len(b) || b[i] != '"' {
			return false
		}
		i++
	}
	// An exponent is found by whoever expects a comma next.
	c.i = i
	return true
}

// integer reads an unquoted integer without sign, at most 18 digits.
func (c *cursor) integer() (v int64, ok bool) {
	u, end := scanDigits(c.b, c.i)
	n := end - c.i
	if n == 0 || n > maxPlainDigits || n > 1 && c.b[c.i] == '0' {
		return 0, false
	}
	c.i = end
	return int64(u), true
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
