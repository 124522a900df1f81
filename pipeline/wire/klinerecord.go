package wire

import "math"

// KlineRecord is a kline as it stands in the topic. Byte slices point into the
// decoded value; decimals are JSON numbers without their quotes, ready to be
// copied into a frame. A record that is decoded into again reuses its memory,
// so whoever keeps one copies it.
type KlineRecord struct {
	Sym, Itv string
	// T is the open time, CloseT the next open time less one, ms UTC.
	T, CloseT int64
	// O to VWAP are exact decimals.
	O, H, L, C, V, QV, BV, BQV, VWAP []byte
	// N is the number of trades.
	N int64
	// FirstID and LastID are the ids of the open and the close trade as raw
	// JSON: an integer, a quoted string, or -1.
	FirstID, LastID []byte
	Final           bool
	Rev             int32
	Seq             int64
	Q, Why          string
	// P, O0 and O1 are the input partition and its contributing offsets.
	P      int32
	O0, O1 int64
	// WM is the watermark at the close, ms; EP the dataset epoch.
	WM  int64
	EP  int32
	Ind []IndRecord
}

// IndRecord is the value of one indicator instance in a kline record.
type IndRecord struct {
	Name string
	// V holds the raw JSON numbers of the outputs, nil for null.
	V     [][]byte
	N     int64
	Flags uint8
	Seq   int64
	Ver   string
}

// DecodeKline reads a value of the topic `klines`. It is fast for what
// AppendKline wrote and correct for any JSON with these keys; unknown keys are
// ignored, missing ones are an error that names the key. After an error r is
// undefined.
func DecodeKline(value []byte, r *KlineRecord) error {
	c := cursor{b: value}
	if c.kline(r) {
		return nil
	}
	return decodeKlineSlow(value, r)
}

// kline reads the keys in the order of AppendKline.
func (c *cursor) kline(r *KlineRecord) bool {
	ok := c.word(`{"sym":`) && c.name(&r.Sym) &&
		c.word(`,"itv":`) && c.name(&r.Itv) &&
		c.word(`,"t":`) && c.int(&r.T) &&
		c.word(`,"T":`) && c.int(&r.CloseT) &&
		c.word(`,"o":`) && c.number(&r.O) &&
		c.word(`,"h":`) && c.number(&r.H) &&
		c.word(`,"l":`) && c.number(&r.L) &&
		c.word(`,"c":`) && c.number(&r.C) &&
		c.word(`,"v":`) && c.number(&r.V) &&
		c.word(`,"qv":`) && c.number(&r.QV) &&
		c.word(`,"n":`) && c.int(&r.N) &&
		c.word(`,"bv":`) && c.number(&r.BV) &&
		c.word(`,"bqv":`) && c.number(&r.BQV) &&
		c.word(`,"vwap":`) && c.number(&r.VWAP)
	return ok && c.klineTail(r)
}

func (c *cursor) klineTail(r *KlineRecord) bool {
	r.Why = ""
	ok := c.word(`,"f":`) && c.rawID(&r.FirstID) &&
		c.word(`,"L":`) && c.rawID(&r.LastID) &&
		c.word(`,"final":`) && c.bool(&r.Final) &&
		c.word(`,"rev":`) && c.int32(&r.Rev) &&
		(!c.word(`,"why":`) || c.name(&r.Why)) &&
		c.word(`,"seq":`) && c.int(&r.Seq) &&
		c.word(`,"q":`) && c.name(&r.Q) &&
		c.word(`,"src":{"p":`) && c.int32(&r.P) &&
		c.word(`,"o0":`) && c.int(&r.O0) &&
		c.word(`,"o1":`) && c.int(&r.O1) &&
		c.word(`},"wm":`) && c.int(&r.WM) &&
		c.word(`,"ep":`) && c.int32(&r.EP)
	if !ok {
		return false
	}
	r.Ind = r.Ind[:0]
	if c.word(`,"ind":{`) && !c.values(r) {
		return false
	}
	return c.word("}") && c.i == len(c.b)
}

// values reads the indicator values behind the opening brace.
func (c *cursor) values(r *KlineRecord) bool {
	for {
		v := r.grow()
		if !c.name(&v.Name) || !c.word(`:{"v":[`) || !c.numbers(&v.V) ||
			!c.word(`,"n":`) || !c.int(&v.N) ||
			!c.word(`,"fl":`) || !c.flags(&v.Flags) ||
			!c.word(`,"seq":`) || !c.int(&v.Seq) ||
			!c.word(`,"ver":`) || !c.name(&v.Ver) || !c.word("}") {
			return false
		}
		if c.word("}") {
			return true
		}
		if !c.word(",") {
			return false
		}
	}
}

// grow appends a value that keeps the memory of its predecessor at that place.
func (r *KlineRecord) grow() *IndRecord {
	if len(r.Ind) < cap(r.Ind) {
		r.Ind = r.Ind[:len(r.Ind)+1]
	} else {
		r.Ind = append(r.Ind, IndRecord{})
	}
	return &r.Ind[len(r.Ind)-1]
}

// name reads a plain ASCII string. It keeps the old string if it is the same:
// consecutive records share most of their names.
func (c *cursor) name(s *string) bool {
	if c.i >= len(c.b) || c.b[c.i] != '"' {
		return false
	}
	end, ok := scanString(c.b, c.i+1)
	if !ok {
		return false
	}
	text := c.b[c.i+1 : end]
	if string(text) != *s {
		if !plain(text) {
			return false
		}
		*s = string(text)
	}
	c.i = end + 1
	return true
}

func (c *cursor) int(v *int64) bool {
	i := c.i
	if i < len(c.b) && c.b[i] == '-' {
		i++
	}
	i = skipDigits(c.b, i)
	n, ok := canonicalInt(c.b[c.i:i])
	*v, c.i = n, i
	return ok
}

func (c *cursor) int32(v *int32) bool {
	var n int64
	ok := c.int(&n) && n == int64(int32(n))
	*v = int32(n)
	return ok
}

func (c *cursor) flags(v *uint8) bool {
	var n int64
	ok := c.int(&n) && n >= 0 && n <= math.MaxUint8
	*v = uint8(n)
	return ok
}

func (c *cursor) bool(v *bool) bool {
	*v = c.word("true")
	return *v || c.word("false")
}

// number reads a decimal inside quotes.
func (c *cursor) number(v *[]byte) bool {
	if c.i >= len(c.b) || c.b[c.i] != '"' {
		return false
	}
	end, ok := scanNumber(c.b, c.i+1)
	if !ok || end >= len(c.b) || c.b[end] != '"' {
		return false
	}
	*v, c.i = c.b[c.i+1:end], end+1
	return true
}

// numbers reads numbers and nulls up to the closing bracket.
func (c *cursor) numbers(vs *[][]byte) bool {
	*vs = (*vs)[:0]
	if c.word("]") {
		return true
	}
	for {
		start := c.i
		if c.word("null") {
			*vs = append(*vs, nil)
		} else {
			end, ok := scanNumber(c.b, start)
			if !ok {
				return false
			}
			*vs, c.i = append(*vs, c.b[start:end]), end
		}
		if c.word("]") {
			return true
		}
		if !c.word(",") {
			return false
		}
	}
}

// rawID reads an integer or a string and keeps its JSON text.
func (c *cursor) rawID(v *[]byte) bool {
	start := c.i
	if start < len(c.b) && c.b[start] == '"' {
		end, ok := scanString(c.b, start+1)
		if !ok {
			return false
		}
		*v, c.i = c.b[start:end+1], end+1
		return plain(*v)
	}
	var n int64
	if !c.int(&n) {
		return false
	}
	*v = c.b[start:c.i]
	return true
}

// plain reports whether b is ASCII; the rest has its UTF-8 checked elsewhere.
func plain(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
