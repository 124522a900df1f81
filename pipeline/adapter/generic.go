package adapter

import (
	"encoding/json"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// generic reads what a Format describes: an object that is a trade, a list of
// them, or a list somewhere inside. Its size is bounded by the caller alone.
type generic struct {
	dec   *wire.Decoder
	list  []string            // keys to the list of trades
	outer map[string][]string // word -> keys of what stands beside the list
	inner map[string][]string // word -> keys inside of an element
}

// newGeneric takes the fields apart at the list. The format was checked.
func newGeneric(f Format) (dialect, error) {
	if _, err := f.Mapping(); err != nil {
		return nil, err
	}
	g := &generic{outer: map[string][]string{}, inner: map[string][]string{}}
	m := &wire.Mapping{Symbol: Nameless}
	if f.TimeUnit != "" {
		m.TimeUnit, _ = wire.ParseTimeUnit(f.TimeUnit) // Mapping has parsed it
	}
	if f.SideOf != "" {
		m.SideOf, _ = wire.ParseSideOf(f.SideOf) // likewise
	}
	g.dec = wire.NewDecoder(m)
	for _, word := range Words() {
		if _, isField := wire.ParseField(word); isField {
			g.place(word, f.Fields[word])
		}
	}
	return g, nil
}

func (g *generic) place(word, path string) {
	before, inside, listed := strings.Cut(path, "[].")
	switch {
	case path == "":
		g.inner[word] = []string{word}
	case listed:
		g.list = strings.Split(before, ".")
		g.inner[word] = strings.Split(inside, ".")
	default:
		g.outer[word] = strings.Split(path, ".")
	}
}

// frame takes what has no trade in it for a control message: nobody knows what
// else this venue sends.
func (g *generic) frame(_ *Reader, raw []byte) (Message, error) {
	if !json.Valid(raw) {
		return Message{}, foreign("no JSON", raw)
	}
	trades, ok := g.read(raw, "")
	if !ok {
		return Message{Kind: KindControl}, nil
	}
	if len(trades) == 1 && trades[0].Reject == core.ReasonPrice && g.absent(raw) {
		return Message{Kind: KindControl}, nil
	}
	return Message{Kind: KindTrades, Trades: trades}, nil
}

// absent reports whether an object that stands alone has no price at all.
func (g *generic) absent(raw []byte) bool {
	if len(g.list) > 0 {
		return false
	}
	keys := g.outer["price"]
	if keys == nil {
		keys = g.inner["price"]
	}
	got, ok := descend(raw, keys...)
	return !ok || len(got) == 0
}

func (g *generic) page(_ *Reader, symbol string, raw []byte) (Page, error) {
	if !json.Valid(raw) {
		return Page{}, foreign("no JSON", raw)
	}
	trades, ok := g.read(raw, symbol)
	if !ok {
		return Page{}, foreign("no trades where the format says", raw)
	}
	return Page{Trades: trades}, nil
}

func (g *generic) read(raw []byte, symbol string) ([]Trade, bool) {
	if list, isList := elements(raw); isList && len(g.list) == 0 {
		return g.all(nil, list, symbol), true
	}
	if _, isObject := members(raw); !isObject {
		return nil, false
	}
	if len(g.list) == 0 {
		return g.all(nil, []json.RawMessage{raw}, symbol), true
	}
	list, ok := descend(raw, g.list...)
	if !ok {
		return nil, false
	}
	return g.all(raw, list, symbol), true
}

// all decodes the elements; around is what holds the list, nil if they stand
// for themselves.
func (g *generic) all(around []byte, list []json.RawMessage, symbol string) []Trade {
	shared := map[string]json.RawMessage{}
	if around != nil {
		for word, keys := range g.outer {
			if got, ok := descend(around, keys...); ok && len(got) == 1 {
				shared[word] = got[0]
			}
		}
	}
	trades := make([]Trade, 0, len(list))
	for _, one := range list {
		parts := map[string]json.RawMessage{}
		for word, v := range shared {
			parts[word] = v
		}
		g.collect(parts, one, g.inner)
		if around == nil {
			g.collect(parts, one, g.outer)
		}
		t := decode(g.dec, assemble(parts), symbol)
		t.Span = 0
		trades = append(trades, t)
	}
	return trades
}

func (*generic) collect(parts map[string]json.RawMessage, raw json.RawMessage, places map[string][]string) {
	for word, keys := range places {
		if got, ok := descend(raw, keys...); ok && len(got) == 1 {
			parts[word] = got[0]
		}
	}
}

// assemble writes a trade with every field under its own name.
func assemble(parts map[string]json.RawMessage) json.RawMessage {
	b := []byte{'{'}
	for word, v := range parts {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), word...), '"', ':')
		b = append(b, v...)
	}
	return append(b, '}')
}
