package transfer

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// tradeReader turns rows into trades. It is not safe for concurrent use.
type tradeReader struct {
	cfg  *Config
	file string
	// id begins the ids of trades that have none: <id>-<row>.
	id     string
	unit   unitFinder
	frames *adapter.Reader // of a venue's JSON, nil for generic JSON

	decoders map[wire.TimeUnit]*wire.Decoder // of JSON objects
	tables   map[wire.TimeUnit]*wire.Decoder // of columns, which are placed already
	member   string                          // whose name symbol and midnight are of
	symbol   []byte
	midnight int64
	ready    bool
	texts    [wire.NumFields][]byte
	scratch  []byte
	trades   []core.Trade
	derived  int64 // ids made
	dated    bool  // times were read in the unit of the file, not by a venue's frames
}

func newTradeReader(cfg *Config, file, id string) (*tradeReader, error) {
	t := &tradeReader{cfg: cfg, file: file, id: id, decoders: map[wire.TimeUnit]*wire.Decoder{}, tables: map[wire.TimeUnit]*wire.Decoder{}}
	t.unit = unitFinder{unit: cfg.unit, known: !cfg.auto}
	if cfg.Venue != "" {
		if v, err := adapter.FindVenue(cfg.Venue); err == nil && v.Name != adapter.PresetGeneric {
			frames, err := adapter.NewReader(adapter.Format{Preset: cfg.Venue}, adapter.Options{Contracts: cfg.Contracts})
			if err != nil {
				return nil, err
			}
			t.frames = frames
		}
	}
	m, err := t.mapping(wire.UnitMillis)
	if err != nil {
		return nil, err
	}
	return t, m.Validate()
}

// mapping is that of JSON objects.
func (t *tradeReader) mapping(unit wire.TimeUnit) (*wire.Mapping, error) {
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
	return m, nil
}

func (t *tradeReader) decoder(unit wire.TimeUnit) *wire.Decoder {
	if d := t.decoders[unit]; d != nil {
		return d
	}
	m, err := t.mapping(unit)
	if err != nil { // checked when the reader was made
		m = &wire.Mapping{TimeUnit: unit}
	}
	d := wire.NewDecoder(m)
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

// enter takes over what the name of a member tells.
func (t *tradeReader) enter(member string) (err error) {
	if t.ready && member == t.member {
		return nil
	}
	symbol, _ := t.cfg.named(member, t.file)
	t.symbol, t.member, t.ready = []byte(symbol), member, true
	t.midnight, err = t.cfg.day(member, t.file)
	return err
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
		if err := t.finish(r, i); err != nil {
			return nil, err
		}
	}
	return t.trades, nil
}

// ofFields reads a row of columns.
func (t *tradeReader) ofFields(r *row) error {
	t.texts = [wire.NumFields][]byte{wire.FieldSymbol: t.symbol}
	for i, at := range r.layout.at {
		if at < 0 {
			continue
		}
		if at >= len(r.fields) {
			if name := tradeColumns.names[i]; name == "price" || name == "size" || name == "ts" {
				return faulty(r.layout.label(i), "the row has only %d columns", len(r.fields))
			}
			continue
		}
		if text := r.fields[at]; len(text) > 0 {
			t.place(tradeColumns.names[i], text)
		}
	}
	text := t.texts[wire.FieldTS]
	if t.cfg.midnight() {
		ms, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || ms < 0 || ms >= 25*time.Hour.Milliseconds() {
			return faulty(r.label("ts"), "%q is no count of ms since midnight", cut(string(text)))
		}
		t.texts[wire.FieldTS] = strconv.AppendInt(nil, t.midnight+ms, 10)
	}
	trade, err := t.judged(func(unit wire.TimeUnit) core.Trade { return t.table(unit).Row(&t.texts) }, string(text))
	t.trades = append(t.trades[:0], trade)
	if f := (*fault)(nil); errors.As(err, &f) && f.field != "" {
		return t.explain(r, f)
	}
	return err
}

// explain names the column of a fault, and its text.
func (t *tradeReader) explain(r *row, f *fault) error {
	field, _ := wire.ParseField(f.field)
	if f.field == "tn" {
		field = wire.FieldTN
	}
	out := &fault{field: r.label(f.field), reason: f.reason}
	if text := t.texts[field]; field != wire.FieldTS || len(text) == 0 {
		if len(text) == 0 {
			out.reason = "it is empty"
		} else {
			out.reason = strconv.Quote(cut(string(text))) + " " + f.reason
		}
	}
	return out
}

// label names the column of a field.
func (r *row) label(name string) string {
	for i, n := range r.layout.v.names {
		if n == name {
			return r.layout.label(i)
		}
	}
	return name
}

// place puts the text of a column where the decoder wants it.
func (t *tradeReader) place(name string, text []byte) {
	switch name {
	case "side", "maker":
		t.texts[wire.FieldSide] = sideOf(name == "maker", text)
	case "price":
		t.texts[wire.FieldPrice] = text
		if t.cfg.PriceScale > 0 && !bytes.ContainsAny(text, "eE") {
			t.scratch = append(append(t.scratch[:0], text...), "e-"...)
			t.scratch = strconv.AppendInt(t.scratch, int64(t.cfg.PriceScale), 10)
			t.texts[wire.FieldPrice] = t.scratch
		}
	default:
		field, ok := wire.ParseField(name)
		if name == "tn" {
			field, ok = wire.FieldTN, true
		}
		if ok {
			t.texts[field] = text
		}
	}
}

// sideOf is the side of the taker. Whatever is neither leaves it unknown, as in
// JSON.
func sideOf(maker bool, text []byte) []byte {
	buyer := false
	switch string(bytes.ToLower(text)) {
	case "buy", "b", "bid", "true", "t", "1":
		buyer = true
	case "sell", "s", "ask", "false", "f", "0":
	default:
		return nil
	}
	if buyer != maker {
		return []byte("buy")
	}
	return []byte("sell")
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
			return got, reasoned(&got)
		}
		return got, faulty("ts", "%q is no time between 2000 and 2100 in s, ms, us, ns or RFC 3339: is it the right column? (another unit: --time-unit)", cut(text))
	}
	got := read(t.unit.unit)
	if got.Reject == core.ReasonTS || got.Reject == core.ReasonNone && t.unit.auto && !plausible(got.EventNS) {
		return got, faulty("ts", "%s", t.unit.strange(text, times))
	}
	return got, reasoned(&got)
}

// reasoned says in words what the decoder refuses, and what the engine would.
func reasoned(t *core.Trade) error {
	field := t.Field
	switch t.Reject {
	case core.ReasonNone:
	case core.ReasonPrice, core.ReasonSize:
		return faulty(t.Reject.String(), "is no decimal number")
	case core.ReasonSymbol:
		return faulty("symbol", "is no symbol (a letter or digit, then up to 31 of letters, digits and . _ : / -)")
	case core.ReasonOverflow:
		return faulty(field, "has more digits than can be kept exactly")
	case core.ReasonTS:
		return faulty("ts", "is no time")
	case core.ReasonRef:
		return faulty("op", "is a cancel or a correction, which are not applied")
	default:
		if field == "id" {
			return faulty("id", "is no id (an integer, or a text of at most %d bytes)", core.MaxTradeIDText)
		}
		return faulty(field, "cannot be used (%s)", t.Reject)
	}
	switch {
	case t.Price.Coef <= 0:
		return faulty("price", "is not above 0")
	case t.Size.Coef <= 0:
		return faulty("size", "is not above 0")
	case t.Price.Scale > core.MaxScale:
		return faulty("price", "has more than %d decimal places", core.MaxScale)
	case t.Size.Scale > core.MaxScale:
		return faulty("size", "has more than %d decimal places", core.MaxScale)
	}
	return nil
}

// ofObject reads generic JSON: an object, or an array of objects.
func (t *tradeReader) ofObject(r *row) error {
	var rejected error
	count := 0
	first := func(unit wire.TimeUnit) core.Trade {
		var err error
		t.trades, err = t.decoder(unit).Decode(r.text, t.trades[:0])
		if rejected = err; err != nil || len(t.trades) == 0 {
			return core.Trade{Reject: core.ReasonDecode}
		}
		count = len(t.trades)
		return t.trades[0]
	}
	_, err := t.judged(first, string(r.text))
	if refused := (*wire.RejectError)(nil); errors.As(rejected, &refused) {
		if refused.Field == "" {
			return faulty("", "it is no JSON object of a trade (%s); rows that are arrays need --columns, frames of a venue --venue", refused.Reason)
		}
		return faulty(refused.Field, "cannot be used (%s)", refused.Reason)
	}
	if err != nil || count < 2 {
		return err
	}
	for i := range t.trades[1:] {
		if err := reasoned(&t.trades[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// ofFrame reads what a venue sends. Frames without trades have none.
func (t *tradeReader) ofFrame(r *row) error {
	t.trades = t.trades[:0]
	m, err := t.frames.Frame(r.text)
	if err != nil || m.Kind == adapter.KindUnknown {
		return faulty("", "it is no frame of %s", t.cfg.Venue)
	}
	for i := range m.Trades {
		one := m.Trades[i].Trade
		if string(one.Symbol) == adapter.Nameless && len(t.symbol) > 0 {
			one.Symbol = t.symbol
		}
		if one.Reject == core.ReasonSize {
			return faulty("size", "is no decimal number, or counts contracts instead of base units (--contracts takes it as it is)")
		}
		if err := reasoned(&one); err != nil {
			return err
		}
		t.trades = append(t.trades, one)
	}
	return nil
}

// finish gives a trade without an id the one of its place: the same at every
// run, and no other row's.
func (t *tradeReader) finish(r *row, i int) error {
	trade := &t.trades[i]
	if trade.ID.Kind != core.IDNone {
		return nil
	}
	id := append(append(make([]byte, 0, 40), t.id...), '-')
	id = strconv.AppendInt(id, r.n, 10)
	if i > 0 {
		id = strconv.AppendInt(append(id, '.'), int64(i), 10)
	}
	trade.ID = core.TradeID{Kind: core.IDText, Text: id}
	t.derived++
	return nil
}
