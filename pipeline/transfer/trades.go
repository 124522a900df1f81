package transfer

import (
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// tradeReader turns rows into trades. It is not safe for concurrent use.
type tradeReader struct {
	inherited
	// id begins the ids of trades that have none: <id>-<row>.
	id     string
	unit   unitFinder
	frames *adapter.Reader // of a venue's JSON, nil for generic JSON

	decoders map[wire.TimeUnit]*wire.Decoder // of JSON objects
	tables   map[wire.TimeUnit]*wire.Decoder // of columns, which are placed already
	texts    [wire.NumFields][]byte
	scratch  []byte
	trades   []core.Trade
	derived  int64 // ids made
	unsided  int64 // trades whose side nobody knows
	dated    bool  // times were read in the unit of the file, not by a venue's frames
}

func newTradeReader(cfg *Config, file, id string) (*tradeReader, error) {
	t := &tradeReader{
		inherited: inherited{cfg: cfg, file: file}, id: id, unit: unitFinder{unit: cfg.unit, known: !cfg.auto},
		decoders: map[wire.TimeUnit]*wire.Decoder{}, tables: map[wire.TimeUnit]*wire.Decoder{},
	}
	if cfg.Venue != "" {
		if v, err := adapter.FindVenue(cfg.Venue); err == nil && v.Name != adapter.PresetGeneric {
			frames, err := adapter.NewReader(adapter.Format{Preset: cfg.Venue}, adapter.Options{Contracts: cfg.Contracts})
			if err != nil {
				return nil, err
			}
			t.frames = frames
		}
	}
	return t, t.mapping(wire.UnitMillis).Validate()
}

// mapping says where fields stand in JSON objects.
func (t *tradeReader) mapping(unit wire.TimeUnit) *wire.Mapping {
	m := &wire.Mapping{TimeUnit: unit, Symbol: t.cfg.Symbol}
	for name, path := range t.cfg.Columns.Headers {
		field, ok := wire.ParseField(name)
		if name == "maker" {
			field, ok, m.SideOf = wire.FieldSide, true, wire.SideOfMaker
		}
		p, err := wire.ParsePath(path)
		if !ok || err != nil {
			continue // a header of CSV that is no path
		}
		m.Paths[field] = p
	}
	return m
}

// decoder is that of JSON objects.
func (t *tradeReader) decoder(unit wire.TimeUnit) *wire.Decoder {
	if d := t.decoders[unit]; d != nil {
		return d
	}
	d := wire.NewDecoder(t.mapping(unit))
	t.decoders[unit] = d
	return d
}

// table is the decoder of columns. The mapping's paths and side are those of
// JSON: the columns have been brought to the generic form.
func (t *tradeReader) table(unit wire.TimeUnit) *wire.Decoder {
	if t.tables[unit] == nil {
		t.tables[unit] = wire.NewDecoder(&wire.Mapping{TimeUnit: unit})
	}
	return t.tables[unit]
}

// read returns the trades of a row, valid until the next. A *fault is about the
// row alone.
func (t *tradeReader) read(r *row) ([]core.Trade, error) {
	if err := t.enter(r.member); err != nil {
		return nil, err
	}
	var err error
	switch {
	case r.fields != nil:
		err = t.ofFields(r)
	case t.frames != nil:
		err = t.ofFrame(r)
	default:
		err = t.ofObject(r)
	}
	if err != nil {
		return nil, err
	}
	for i := range t.trades {
		t.ensureID(r, i)
	}
	return t.trades, nil
}

// judged reads a trade in the unit of the file, which it settles first.
func (t *tradeReader) judged(read func(wire.TimeUnit) core.Trade, text string) (core.Trade, error) {
	t.dated = true
	times := func(unit wire.TimeUnit) (int64, bool) {
		got := read(unit)
		return got.EventNS, got.Reject == core.ReasonNone || got.Reject != core.ReasonTS && got.EventNS != 0
	}
	if !t.unit.known && !t.unit.settle(times) {
		got := read(wire.UnitMillis)
		if got.Reject != core.ReasonNone && got.Reject != core.ReasonTS {
			return got, refusal(&got, t.cfg.Rules)
		}
		return got, faulty("ts", "%q is no time between 2000 and 2100 in s, ms, us, ns or RFC 3339: is it the right column? (another unit: --time-unit)", cut(text))
	}
	got := read(t.unit.unit)
	if got.Reject == core.ReasonTS || got.Reject == core.ReasonNone && t.unit.auto && !plausible(got.EventNS) {
		return got, faulty("ts", "%s", t.unit.strange(text, times))
	}
	return got, refusal(&got, t.cfg.Rules)
}

// ensureID gives trade i of a row the id of its place, if it has none: the same at
// every run, and no other row's.
func (t *tradeReader) ensureID(r *row, i int) {
	trade := &t.trades[i]
	if trade.ID.Kind != core.IDNone {
		return
	}
	id := append(append(make([]byte, 0, 40), t.id...), '-')
	id = strconv.AppendInt(id, r.n, 10)
	if i > 0 {
		id = strconv.AppendInt(append(id, '.'), int64(i), 10)
	}
	trade.ID = core.TradeID{Kind: core.IDText, Text: id}
	t.derived++
}
