package adapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Options are what a preset leaves to the operator.
type Options struct {
	// Contracts takes the sizes of derivatives as they are, in contracts or in
	// quote currency. Without it such trades are refused: their volume would be
	// added up as if it were base currency.
	Contracts bool
}

// Reader reads what one venue sends. It is not safe for concurrent use.
type Reader struct {
	venue   dialect
	options Options
}

// dialect is one venue's way of writing. frame and page fill in what they find;
// an error wraps ErrForeign.
type dialect interface {
	frame(r *Reader, raw []byte) (Message, error)
	page(r *Reader, symbol string, raw []byte) (Page, error)
}

// Frame reads one WebSocket message. An error means that it is none of the
// venue's, it wraps ErrForeign; the connection may go on.
func (r *Reader) Frame(raw []byte) (Message, error) { return r.venue.frame(r, withoutMark(raw)) }

// Page reads the answer about one symbol.
func (r *Reader) Page(symbol string, raw []byte) (Page, error) {
	p, err := r.venue.page(r, symbol, withoutMark(raw))
	if err == nil {
		ascending(p.Trades)
	}
	return p, err
}

// withoutMark drops a byte order mark, which gateways put in front of JSON and a
// reader may ignore (RFC 8259 8.1).
func withoutMark(raw []byte) []byte { return bytes.TrimPrefix(raw, []byte("\ufeff")) }

// fields is the mapping of one element: word by word, and whose side it is.
type fields struct {
	paths  map[string]string
	unit   wire.TimeUnit
	sideOf wire.SideOf
}

// Nameless is the symbol of trades of a frame that names none: the caller knows
// what it subscribed to.
const Nameless = "X"

// decoder makes the decoder of one element. The presets are fixed, a test makes
// each of them, so a fault is one of the program.
func (f fields) decoder() *wire.Decoder {
	m := &wire.Mapping{TimeUnit: f.unit, SideOf: f.sideOf, Symbol: Nameless}
	for word, path := range f.paths {
		field, ok := wire.ParseField(word)
		p, err := wire.ParsePath(path)
		if !ok || err != nil {
			panic("preset places " + word + " at " + path)
		}
		m.Paths[field] = p
	}
	return wire.NewDecoder(m)
}

// decode reads one element. symbol replaces the one of an element without.
func decode(dec *wire.Decoder, raw json.RawMessage, symbol string) Trade {
	var buf [1]core.Trade
	got, err := dec.Decode(raw, buf[:0])
	if err != nil || len(got) != 1 {
		return Trade{Trade: core.Trade{Reject: core.ReasonDecode}}
	}
	t := Trade{Trade: got[0], Span: 1}
	if string(t.Symbol) == Nameless && symbol != "" {
		t.Symbol = []byte(symbol)
	}
	if t.ID.Kind != core.IDInt {
		t.Span = 0
	}
	return t
}

// requireInt refuses a trade whose venue has integer ids and that has none: a
// hole could not be seen any more.
func requireInt(t *Trade, field string) {
	if t.Reject == core.ReasonNone && t.ID.Kind != core.IDInt {
		t.Reject, t.Field = core.ReasonDecode, field
	}
}

// requireID refuses a trade without any id.
func requireID(t *Trade, field string) {
	if t.Reject == core.ReasonNone && t.ID.Kind == core.IDNone {
		t.Reject, t.Field = core.ReasonDecode, field
	}
}

// derive gives trades without ids one made of what they are: time, price, size,
// side and their number among equals. Two equal trades of one moment in
// different frames cannot be told apart.
func derive(trades []Trade) {
	seen := map[uint64]int{}
	for i := range trades {
		t := &trades[i]
		if t.Reject != core.ReasonNone || t.ID.Kind != core.IDNone {
			continue
		}
		var b []byte
		b = append(strconv.AppendInt(b, t.EventNS, 10), '|')
		b = append(core.AppendDecimal(b, t.Price.Coef, 0), '|')
		b = append(strconv.AppendUint(b, uint64(t.Price.Scale), 10), '|')
		b = append(core.AppendDecimal(b, t.Size.Coef, 0), '|')
		b = append(strconv.AppendUint(b, uint64(t.Size.Scale), 10), '|')
		b = append(append(b, t.Symbol...), byte('0'+t.Side))
		h := xxhash.Sum64(b)
		id := fmt.Appendf(nil, "d%d-%016x", t.EventNS, h)
		if n := seen[h]; n > 0 {
			id = fmt.Appendf(id, "-%d", n)
		}
		seen[h]++
		t.ID, t.Span = core.TradeID{Kind: core.IDText, Text: id}, 0
	}
}
