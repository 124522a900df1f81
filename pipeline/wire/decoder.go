package wire

import (
	"unicode/utf8"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Decoder reads trade records by one mapping. It is not safe for concurrent
// use: it learns the order in which a producer writes its keys.
type Decoder struct {
	root      *node
	inner     *edge             // where the array of trades stands, nil if nowhere
	names     [NumFields]string // JSON paths, for RejectError and Trade.Field
	symbol    []byte            // of trades that have none
	unit      TimeUnit
	sideOf    SideOf
	canonical bool
	// symbolByte marks the characters of a symbol.
	symbolByte [256]bool

	tok  tokens
	seen uint64 // bits of the edges seen in the object being read
	list []byte // the array of trades, from its opening bracket
}

// NewDecoder returns a decoder for m; nil means the generic trade JSON. The
// mapping must be valid: Mapping.Validate tells an operator what is wrong with
// it, NewDecoder panics.
func NewDecoder(m *Mapping) *Decoder {
	if m == nil {
		m = &Mapping{}
	}
	if err := m.Validate(); err != nil {
		panic(err)
	}
	root, err := compile(m)
	if err != nil {
		panic(err)
	}
	d := &Decoder{root: root, inner: root.list(), symbol: []byte(m.Symbol), unit: m.TimeUnit, sideOf: m.SideOf, canonical: m.canonical()}
	for f := range NumFields {
		d.names[f] = m.path(f).String()
	}
	for c := range d.symbolByte {
		d.symbolByte[c] = core.ValidSymbol([]byte{'A', byte(c)})
	}
	return d
}

// Decode appends the trades of one record to dst. The record holds one object
// or an array of objects. A trade that cannot be used is appended with Reject
// and Field set, so that its index in the record stays; an error is always a
// *RejectError and means that the record as a whole holds no trade, dst is then
// returned unchanged. Trades point into value.
func (d *Decoder) Decode(value []byte, dst []core.Trade) ([]core.Trade, error) {
	if len(value) > MaxRecordBytes {
		return dst, reject(core.ReasonTooLarge, "")
	}
	if d.canonical {
		n := len(dst)
		dst = grow(dst)
		if decodeCanonical(value, &dst[n], &d.symbolByte) {
			return dst, nil
		}
		dst = dst[:n]
	}
	if !utf8.Valid(value) {
		return dst, reject(core.ReasonDecode, "")
	}
	if out, err, ok := d.anyOrder(value, dst); ok {
		return out, err
	}
	return d.fallback(value, dst)
}

// Row returns the trade that a row of texts stands for, by the same rules as
// the strings of a JSON record. An empty text is a missing field. The trade
// points into the texts.
func (d *Decoder) Row(texts *[NumFields][]byte) core.Trade {
	for f, text := range texts {
		d.tok[f] = token{}
		if len(text) > 0 && d.names[f] != "" {
			d.tok[f] = token{text: text, kind: tokenString}
		}
	}
	var t core.Trade
	d.judge(&t)
	return t
}

// grow appends an undefined trade: the caller overwrites it.
func grow(dst []core.Trade) []core.Trade {
	if len(dst) < cap(dst) {
		return dst[:len(dst)+1]
	}
	return append(dst, core.Trade{})
}
