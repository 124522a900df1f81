package transfer

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ImportedEpoch is the dataset epoch of imported bars. The engine's begin at 1,
// and of two records of one bar the higher epoch counts, so an imported bar never
// stands above one that the engine published.
const ImportedEpoch = 0

// importedQuality is what the field q of an imported bar says if its row does
// not.
const importedQuality = "imported"

// barReader turns rows into bars.
type barReader struct {
	cfg      *Config
	file     string
	unit     unitFinder
	member   string
	ready    bool
	symbol   string
	interval string
	midnight int64
	itv      core.Interval // of the last row
	texts    map[string][]byte
	row      *row
}

func newBarReader(cfg *Config, file string) *barReader {
	return &barReader{cfg: cfg, file: file, unit: unitFinder{unit: cfg.unit, known: !cfg.auto}, texts: map[string][]byte{}}
}

func (b *barReader) unitName() string    { return b.unit.name() }
func (b *barReader) setUnit(name string) { b.unit.restore(name) }
func (*barReader) derivedIDs() int64     { return 0 }

// add implements entryReader.
func (b *barReader) add(r *row, batch *Batch) (int64, error) {
	if !b.ready || r.member != b.member {
		b.symbol, b.interval = b.cfg.named(r.member, b.file)
		var err error
		if b.midnight, err = b.cfg.day(r.member, b.file); err != nil {
			return 0, err
		}
		b.member, b.ready = r.member, true
	}
	b.row = r
	if err := b.collect(r); err != nil {
		return 0, err
	}
	k, err := b.kline()
	if err != nil {
		return 0, err
	}
	k.Offset = r.line
	batch.Klines = append(batch.Klines, *k)
	return 1, nil
}

// collect finds the text of each field.
func (b *barReader) collect(r *row) error {
	clear(b.texts)
	if r.fields == nil {
		return b.collectObject(r.text)
	}
	for i, at := range r.layout.at {
		if at < 0 {
			continue
		}
		if at >= len(r.fields) {
			return faulty(r.layout.label(i), "the row has only %d columns", len(r.fields))
		}
		b.texts[barColumns.names[i]] = r.fields[at]
	}
	return nil
}

// collectObject reads a flat JSON object, such as a record of the topic klines.
func (b *barReader) collectObject(text []byte) error {
	var keys map[string]json.RawMessage
	if json.Unmarshal(text, &keys) != nil {
		return faulty("", "it is no JSON object of a bar; rows that are arrays need --columns or --venue")
	}
	for _, name := range barColumns.names {
		key := name
		if h := b.cfg.Columns.Headers[name]; h != "" {
			key = h
		}
		raw, found := keys[key]
		for _, other := range barColumns.also[name] {
			if !found && key == name {
				raw, found = keys[other]
			}
		}
		if !found || string(raw) == "null" {
			continue
		}
		if raw[0] == '"' {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return faulty(name, "is no text")
			}
			raw = []byte(s)
		}
		b.texts[name] = raw
	}
	return nil
}

func (b *barReader) fault(name, format string, args ...any) error {
	label := name
	if b.row.layout != nil && b.row.fields != nil {
		label = b.row.label(name)
	}
	text := b.texts[name]
	f := faulty(label, format, args...)
	if len(text) > 0 {
		f.reason = strconv.Quote(cut(string(text))) + " " + f.reason
	} else {
		f.reason = "it is empty or missing"
	}
	return f
}

// kline makes a bar of the texts and checks that it can be one.
func (b *barReader) kline() (*history.Kline, error) {
	k := new(history.Kline)
	if err := b.series(k); err != nil {
		return nil, err
	}
	if err := b.times(k); err != nil {
		return nil, err
	}
	if err := b.prices(k); err != nil {
		return nil, err
	}
	if err := b.sums(k); err != nil {
		return nil, err
	}
	k.FirstID, k.LastID = b.id("f"), b.id("L")
	k.Final, k.EP, k.WM = true, ImportedEpoch, k.CloseT
	k.KlineRecord.P, k.O0, k.O1 = -1, -1, -1
	k.Origin.P, k.Value = -1, slices.Clone(b.row.text)
	rev, err := b.count("rev")
	if err != nil {
		return nil, err
	}
	if rev > 1<<30 {
		return nil, b.fault("rev", "is too large")
	}
	k.Rev = int32(rev)
	k.Q, k.Why = importedQuality, string(b.texts["why"])
	if q := string(b.texts["q"]); q != "" {
		k.Q = q
	}
	if len(k.Q) > 32 || len(k.Why) > 32 || strings.ContainsAny(k.Q+k.Why, "\x00\r\n\t") {
		return nil, b.fault("q", "is no word")
	}
	return k, nil
}

// series finds symbol and interval.
func (b *barReader) series(k *history.Kline) error {
	k.Sym, k.Itv = string(b.texts["sym"]), string(b.texts["itv"])
	if k.Sym == "" {
		k.Sym = b.symbol
	}
	if k.Itv == "" {
		k.Itv = b.interval
	}
	if !core.ValidSymbol([]byte(k.Sym)) {
		return b.fault("sym", "is no symbol (--symbol, if all rows are of one)")
	}
	if k.Itv != b.itv.Name() {
		itv, err := core.ParseInterval(k.Itv)
		if err != nil {
			return b.fault("itv", "is no interval such as 1m (--interval, if all rows have one)")
		}
		b.itv = itv
	}
	return nil
}

// times reads the open time, and checks it and the close time against the
// interval.
func (b *barReader) times(k *history.Kline) error {
	text := b.texts["t"]
	if b.cfg.midnight() {
		ms, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil || ms < 0 || ms >= 25*time.Hour.Milliseconds() {
			return b.fault("t", "is no count of ms since midnight")
		}
		k.T = b.midnight + ms
	} else {
		ns, err := b.moment(text)
		if err != nil {
			return err
		}
		if ns%int64(time.Millisecond) != 0 {
			return b.fault("t", "is no whole ms")
		}
		k.T = ns / int64(time.Millisecond)
	}
	if b.itv.OpenTime(k.T) != k.T {
		return b.fault("t", "is not where a bar of %s opens (UTC): is --interval right?", k.Itv)
	}
	k.CloseT = b.itv.CloseTime(k.T) - 1
	if len(b.texts["T"]) == 0 {
		return nil
	}
	ns, ok := timeIn(b.texts["T"], b.unit.unit)
	if ms := ns / int64(time.Millisecond); !ok || ms != k.CloseT && ms != k.CloseT+1 {
		return b.fault("T", "is not the end of the bar of %s that opens at %d (%d is)", k.Itv, k.T, k.CloseT)
	}
	return nil
}

// moment reads a time in the unit of the file, which it settles first.
func (b *barReader) moment(text []byte) (int64, error) {
	read := func(unit wire.TimeUnit) (int64, bool) { return timeIn(text, unit) }
	if !b.unit.known && !b.unit.settle(read) {
		return 0, b.fault("t", "is no time between 2000 and 2100 in s, ms, us, ns or RFC 3339: is it the right column? (another unit: --time-unit)")
	}
	ns, ok := read(b.unit.unit)
	if !ok || b.unit.auto && !plausible(ns) {
		f := faulty("t", "%s", b.unit.strange(string(text), read))
		if b.row.fields != nil {
			f.field = b.row.label("t")
		}
		return 0, f
	}
	return ns, nil
}

// timeIn reads a time by the rules for trades.
func timeIn(text []byte, unit wire.TimeUnit) (int64, bool) {
	dec := wire.NewDecoder(&wire.Mapping{TimeUnit: unit})
	t := dec.Row(&[wire.NumFields][]byte{wire.FieldSymbol: []byte("X"), wire.FieldPrice: []byte("1"), wire.FieldSize: []byte("1"), wire.FieldTS: text})
	return t.EventNS, t.Reject == core.ReasonNone
}

// prices reads the four prices: l <= o, c <= h, all above 0.
func (b *barReader) prices(k *history.Kline) error {
	var values [4]*big.Rat
	for i, f := range []struct {
		name string
		to   *[]byte
	}{{"o", &k.O}, {"h", &k.H}, {"l", &k.L}, {"c", &k.C}} {
		text := b.texts[f.name]
		if b.cfg.PriceScale > 0 && len(text) > 0 && !strings.ContainsAny(string(text), "eE") {
			text = strconv.AppendInt(append(slices.Clone(text), "e-"...), int64(b.cfg.PriceScale), 10)
		}
		d, err := core.ParseDecimal(text)
		if err != nil || d.Coef <= 0 || d.Scale > core.MaxScale {
			return b.fault(f.name, "is no price: a decimal number above 0 with at most %d places", core.MaxScale)
		}
		*f.to = core.AppendDecimal(nil, d.Coef, d.Scale)
		values[i], _ = new(big.Rat).SetString(string(*f.to))
	}
	o, h, l, c := values[0], values[1], values[2], values[3]
	if h.Cmp(o) < 0 || h.Cmp(c) < 0 || h.Cmp(l) < 0 {
		return b.fault("h", "is below open, close or low")
	}
	if l.Cmp(o) > 0 || l.Cmp(c) > 0 {
		return b.fault("l", "is above open or close")
	}
	return nil
}

// sums reads volumes and counts. What a file does not have is 0.
func (b *barReader) sums(k *history.Kline) error {
	for _, f := range []struct {
		name string
		to   *[]byte
	}{{"v", &k.V}, {"qv", &k.QV}, {"bv", &k.BV}, {"bqv", &k.BQV}, {"vwap", &k.VWAP}} {
		text := b.texts[f.name]
		if len(text) == 0 && f.name != "v" {
			*f.to = []byte{'0'}
			continue
		}
		exact, ok := exactDecimal(text)
		if !ok {
			return b.fault(f.name, "is no decimal number from 0 on")
		}
		*f.to = exact
	}
	var err error
	k.N, err = b.count("n")
	return err
}

// exactDecimal is the shortest text of a number of any length, 0 or above.
func exactDecimal(text []byte) ([]byte, bool) {
	if d, err := core.ParseDecimal(text); err == nil {
		return core.AppendDecimal(nil, d.Coef, d.Scale), d.Coef >= 0
	}
	if len(text) > 80 {
		return nil, false
	}
	whole, places, point := strings.Cut(string(text), ".")
	for _, digits := range []string{whole, places} {
		if strings.Trim(digits, "0123456789") != "" {
			return nil, false
		}
	}
	if whole == "" || point && places == "" {
		return nil, false
	}
	whole, places = strings.TrimLeft(whole, "0"), strings.TrimRight(places, "0")
	if whole == "" {
		whole = "0"
	}
	if places != "" {
		whole += "." + places
	}
	return []byte(whole), true
}

// count reads an integer from 0 on; nothing is 0.
func (b *barReader) count(name string) (int64, error) {
	text := b.texts[name]
	if len(text) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 {
		return 0, b.fault(name, "is no whole number from 0 on")
	}
	return n, nil
}

// id is the raw JSON of an id: an integer, a text, or -1 for none.
func (b *barReader) id(name string) []byte {
	id := core.NewTradeID(b.texts[name])
	switch id.Kind {
	case core.IDInt:
		return strconv.AppendInt(nil, id.Num, 10)
	case core.IDText:
		quoted, err := json.Marshal(string(id.Text))
		if err == nil {
			return quoted
		}
	case core.IDNone:
	}
	return []byte("-1")
}
