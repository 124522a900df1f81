package transfer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ExportConfig says what goes out and how.
type ExportConfig struct {
	// Kind is Trades, or Bars for klines.
	Kind Kind
	// Symbols and Intervals are those that go out; nil is all.
	Symbols, Intervals []string
	// From and To bound the event time of trades and the open time of bars, ms,
	// To exclusive; 0 is no bound.
	From, To int64
	// Indicators are the instances whose values go out beside bars; "all" is
	// every one that is found.
	Indicators []string
	// Outputs names the outputs of an instance, nil where they are not known.
	Outputs func(instance string) []string
	// Format is csv, jsonl or parquet.
	Format string
	// Gzip compresses csv and jsonl; parquet is compressed as it is.
	Gzip bool
	// Decimals are DECIMAL(38,18) (decimal) or texts (string) in Parquet.
	// Default: decimal.
	Decimals string
	// TempDir is where rows are sorted. Default: the system's.
	TempDir string
	// Progress is told how many records were read of how many; all is 0 where
	// that is not known.
	Progress func(done, all int64)
}

// Reader is where an export reads.
type Reader interface {
	// Klines hands out final klines with all revisions that are there, in any
	// order. A kline is valid until the next.
	// restate, if not nil, is told of indicator values that a restated bar changed
	// in bars behind it, with the position of the record.
	Klines(ctx context.Context, cfg *ExportConfig, put func(*history.Kline) error, restate func(r *wire.RestatedRecord, so, sk int64) error) error
	// Trades hands out trades in any order.
	Trades(ctx context.Context, cfg *ExportConfig, put func(*history.Trade) error) error
}

// Check refuses what does not fit together.
func (c *ExportConfig) Check() error {
	switch {
	case !slices.Contains([]string{FormatCSV, FormatJSONL, FormatParquet}, c.Format):
		return fmt.Errorf("reading --format: unknown value %q (allowed: csv, jsonl, parquet)", cut(c.Format))
	case c.Gzip && c.Format == FormatParquet:
		return errors.New("--gzip is for csv and jsonl: Parquet is compressed as it is")
	case c.Decimals != "" && c.Decimals != "decimal" && c.Decimals != "string":
		return fmt.Errorf("reading --decimals: unknown value %q (allowed: decimal, string)", cut(c.Decimals))
	case c.To != 0 && c.To <= c.From:
		return errors.New("reading --from and --to: the range is empty")
	}
	for _, s := range c.Symbols {
		if !core.ValidSymbol([]byte(s)) {
			return fmt.Errorf("reading --symbol: %q is no symbol", cut(s))
		}
	}
	for _, name := range c.Intervals {
		if _, err := core.ParseInterval(name); err != nil {
			return fmt.Errorf("reading --interval: %w", err)
		}
	}
	return nil
}

// wants tells whether a row goes out. ms is its time.
func (c *ExportConfig) wants(symbol string, ms int64) bool {
	return (c.Symbols == nil || slices.Contains(c.Symbols, symbol)) && ms >= c.From && (c.To == 0 || ms < c.To)
}

// Export reads everything, sorts it on the disk, and writes each row once:
// klines by symbol, interval and open time, of each the newest revision; trades
// by symbol, event time and place. It returns the number of rows.
func Export(ctx context.Context, cfg ExportConfig, r Reader, w io.Writer) (int64, error) {
	if err := cfg.Check(); err != nil {
		return 0, err
	}
	e := &exporter{cfg: &cfg, sorter: newSorter(cfg.TempDir)}
	defer e.sorter.close()
	if cfg.Kind == Trades {
		return e.trades(ctx, r, w)
	}
	return e.klines(ctx, r, w)
}

// exporter is one export under way.
type exporter struct {
	cfg    *ExportConfig
	sorter *sorter
	key    []byte
	value  []byte
	// found are the instances seen, with the number of their outputs.
	found map[string]int
	rows  int64
}

// appendOrdered appends n so that bytes compare as numbers.
func appendOrdered(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)^1<<63) // #nosec G115 -- the bits
}

// versionBytes is the end of a key of a kline: its epoch, place and revision.
// The place comes before the revision, because restated values have only that.
const versionBytes = 4 * 8

func (e *exporter) klines(ctx context.Context, r Reader, w io.Writer) (int64, error) {
	e.found = map[string]int{}
	err := r.Klines(ctx, e.cfg, func(k *history.Kline) error {
		if !k.Final || !e.cfg.wants(k.Sym, k.T) || e.cfg.Intervals != nil && !slices.Contains(e.cfg.Intervals, k.Itv) {
			return nil
		}
		for i := range k.Ind {
			if e.selected(k.Ind[i].Name) {
				e.found[k.Ind[i].Name] = max(e.found[k.Ind[i].Name], len(k.Ind[i].V))
			}
		}
		e.barKey(k.Sym, k.Itv, k.T, int64(k.EP), k.So, k.Sk, int64(k.Rev))
		e.value = appendKline(e.value[:0], k)
		return e.sorter.add(e.key, e.value)
	}, e.restate())
	if err != nil {
		return 0, err
	}
	return e.writeKlines(w)
}

// barKey orders bars, and of one bar what was written about it.
func (e *exporter) barKey(sym, itv string, t, ep, so, sk, rev int64) {
	e.key = append(append(e.key[:0], sym...), 0)
	e.key = append(append(appendOrdered(e.key, lengthOf(itv)), itv...), 0)
	for _, n := range [...]int64{t, ep, so, sk, rev} {
		e.key = appendOrdered(e.key, n)
	}
}

// patch are values of one instance that a later record changed.
type patch struct {
	Instance string            `json:"i"`
	V        []json.RawMessage `json:"v"`
}

// restate takes the values of bars behind a restated one; nil if no values go
// out. They belong to the engine's bars, whose epoch is 1.
func (e *exporter) restate() func(r *wire.RestatedRecord, so, sk int64) error {
	if e.cfg.Indicators == nil {
		return nil
	}
	return func(r *wire.RestatedRecord, so, sk int64) error {
		if !e.selected(r.Ind) || e.cfg.Intervals != nil && !slices.Contains(e.cfg.Intervals, r.Itv) {
			return nil
		}
		for i, t := range r.T {
			if !e.cfg.wants(r.Sym, t) {
				continue
			}
			p := patch{Instance: r.Ind}
			for _, column := range r.V {
				p.V = append(p.V, json.RawMessage(column[i]))
			}
			b, err := json.Marshal(p)
			if err != nil {
				return fmt.Errorf("reading restated values: %w", err)
			}
			e.barKey(r.Sym, r.Itv, t, engineEpoch, so, sk, math.MaxInt64)
			if err := e.sorter.add(e.key, append([]byte{patched}, b...)); err != nil {
				return err
			}
		}
		return nil
	}
}

// engineEpoch is the dataset epoch of the engine's bars. patched begins a sorted
// row that is a patch: a bar begins with a brace.
const (
	engineEpoch = 1
	patched     = 'p'
)

// apply changes the values of a bar.
func (p *patch) apply(k *wire.KlineRecord) {
	for i := range k.Ind {
		if k.Ind[i].Name != p.Instance {
			continue
		}
		k.Ind[i].V = k.Ind[i].V[:0]
		for _, v := range p.V {
			if string(v) == "null" {
				v = nil
			}
			k.Ind[i].V = append(k.Ind[i].V, v)
		}
	}
}

// lengthOf orders intervals; one of months is longer than all others.
func lengthOf(name string) int64 {
	itv, err := core.ParseInterval(name)
	switch {
	case err != nil:
		return math.MaxInt64
	case itv.Millis() == 0:
		return math.MaxInt64 - 1
	}
	return itv.Millis()
}

func (e *exporter) selected(instance string) bool {
	return slices.Contains(e.cfg.Indicators, instance) || len(e.cfg.Indicators) == 1 && e.cfg.Indicators[0] == "all"
}

// writeKlines writes the newest revision of each bar.
func (e *exporter) writeKlines(w io.Writer) (int64, error) {
	columns, values := e.klineColumns()
	t, err := newTable(w, columns, e.cfg)
	if err != nil {
		return 0, err
	}
	var held, bar []byte // the newest revision so far, and of which bar
	var patches []patch
	flush := func() error {
		if held == nil {
			return nil
		}
		var k wire.KlineRecord
		if err := wire.DecodeKline(held, &k); err != nil {
			return fmt.Errorf("reading a sorted row: %w", err)
		}
		for i := range patches {
			patches[i].apply(&k)
		}
		held, patches = nil, patches[:0]
		e.rows++
		return t.row(klineCells(&k, values))
	}
	err = e.sorter.each(func(key, value []byte) error {
		this := key[:len(key)-versionBytes]
		if !bytes.Equal(this, bar) {
			if err := flush(); err != nil {
				return err
			}
			bar, patches = append(bar[:0], this...), patches[:0]
		}
		if value[0] == patched {
			var p patch
			if err := json.Unmarshal(value[1:], &p); err != nil {
				return fmt.Errorf("reading a sorted row: %w", err)
			}
			patches = append(patches, p)
			return nil
		}
		// A revision carries the values of its time: patches before it are done.
		held, patches = append(held[:0], value...), patches[:0]
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = t.end()
	}
	return e.rows, err
}

// output is a column of an indicator.
type output struct {
	instance string
	index    int
}

// klineColumns are those of all bars, by the names of the histories' tables (no
// two differ only in case, which many readers of tables do not tell apart), and behind them the outputs of the
// instances that were found, by name.
func (e *exporter) klineColumns() ([]column, []output) {
	columns := []column{
		{"sym", cellText},
		{"itv", cellText},
		{"open_time", cellTime},
		{"close_time", cellTime},
		{"o", cellDecimal},
		{"h", cellDecimal},
		{"l", cellDecimal},
		{"c", cellDecimal},
		{"v", cellDecimal},
		{"qv", cellDecimal},
		{"n", cellInt},
		{"bv", cellDecimal},
		{"bqv", cellDecimal},
		{"vwap", cellDecimal},
		{"first_id", cellID},
		{"last_id", cellID},
		{"rev", cellInt},
		{"q", cellText},
		{"why", cellText},
	}
	var instances []string
	for name := range e.found {
		instances = append(instances, name)
	}
	slices.Sort(instances)
	var values []output
	for _, name := range instances {
		n := e.found[name]
		var outputs []string
		if e.cfg.Outputs != nil {
			outputs = e.cfg.Outputs(name)
		}
		for i := range n {
			title := name
			switch {
			case n == 1:
			case len(outputs) == n:
				title += "." + outputs[i]
			default:
				title += "." + strconv.Itoa(i)
			}
			columns = append(columns, column{title, cellFloat})
			values = append(values, output{name, i})
		}
	}
	return columns, values
}

// klineCells are the texts of a bar.
func klineCells(k *wire.KlineRecord, values []output) cells {
	n := func(v int64) []byte { return strconv.AppendInt(nil, v, 10) }
	c := cells{
		[]byte(k.Sym), []byte(k.Itv), n(k.T), n(k.CloseT), k.O, k.H, k.L, k.C, k.V, k.QV, n(k.N), k.BV, k.BQV, k.VWAP,
		idCell(k.FirstID), idCell(k.LastID), n(int64(k.Rev)), []byte(k.Q), nil,
	}
	if k.Why != "" {
		c[len(c)-1] = []byte(k.Why)
	}
	for _, o := range values {
		c = append(c, valueCell(k, o))
	}
	return c
}

func idCell(raw []byte) []byte {
	if string(raw) == "-1" {
		return nil
	}
	return history.Plain(raw)
}

// valueCell is one output of an instance: the shortest text of its double, which
// is the same however a database writes it.
func valueCell(k *wire.KlineRecord, o output) []byte {
	for i := range k.Ind {
		if k.Ind[i].Name != o.instance || o.index >= len(k.Ind[i].V) || k.Ind[i].V[o.index] == nil {
			continue
		}
		f, err := strconv.ParseFloat(string(k.Ind[i].V[o.index]), 64)
		if err != nil {
			return nil
		}
		return strconv.AppendFloat(nil, f, 'g', -1, 64)
	}
	return nil
}

func (e *exporter) trades(ctx context.Context, r Reader, w io.Writer) (int64, error) {
	err := r.Trades(ctx, e.cfg, func(t *history.Trade) error {
		if !e.cfg.wants(string(t.Symbol), t.EventNS/1e6) {
			return nil
		}
		e.key = appendOrdered(append(append(e.key[:0], t.Symbol...), 0), t.EventNS)
		for _, n := range [...]int64{int64(t.P), t.Offset, int64(t.Index)} {
			e.key = appendOrdered(e.key, n)
		}
		e.value = wire.AppendTrade(e.value[:0], &t.Trade)
		return e.sorter.add(e.key, e.value)
	})
	if err != nil {
		return 0, err
	}
	return e.writeTrades(w)
}

// writeTrades leaves out what has the id and the time of a trade before it.
func (e *exporter) writeTrades(w io.Writer) (int64, error) {
	columns := []column{
		{"symbol", cellText},
		{"ts", cellTime},
		{"tn", cellInt},
		{"price", cellDecimal},
		{"size", cellDecimal},
		{"id", cellID},
		{"side", cellText},
		{"seq", cellInt},
	}
	t, err := newTable(w, columns, e.cfg)
	if err != nil {
		return 0, err
	}
	dec := wire.NewDecoder(nil)
	var trades []core.Trade
	var moment []byte
	seen := map[string]bool{}
	err = e.sorter.each(func(key, value []byte) error {
		if this := key[:len(key)-3*8]; !bytes.Equal(this, moment) {
			moment = append(moment[:0], this...)
			clear(seen)
		}
		trades, err = dec.Decode(value, trades[:0])
		if err != nil || len(trades) != 1 {
			return fmt.Errorf("reading a sorted row: %w", err)
		}
		one := &trades[0]
		if one.ID.Kind != core.IDNone {
			id := string(tradeID(&one.ID))
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		e.rows++
		return t.row(tradeCells(one))
	})
	if err == nil {
		err = t.end()
	}
	return e.rows, err
}

func tradeID(id *core.TradeID) []byte {
	switch id.Kind {
	case core.IDInt:
		return strconv.AppendInt(nil, id.Num, 10)
	case core.IDText:
		return id.Text
	default:
		return nil
	}
}

func tradeCells(t *core.Trade) cells {
	const milli = 1_000_000
	c := cells{
		t.Symbol, strconv.AppendInt(nil, t.EventNS/milli, 10), nil,
		core.AppendDecimal(nil, t.Price.Coef, t.Price.Scale), core.AppendDecimal(nil, t.Size.Coef, t.Size.Scale), tradeID(&t.ID), nil, nil,
	}
	if ns := t.EventNS % milli; ns != 0 {
		c[2] = strconv.AppendInt(nil, ns, 10)
	}
	if t.Side != core.SideUnknown {
		c[6] = []byte(t.Side.String())
	}
	if t.HasSeq {
		c[7] = strconv.AppendInt(nil, t.Seq, 10)
	}
	return c
}

// appendKline appends a bar in the JSON of the topic, for the time of sorting.
func appendKline(dst []byte, k *history.Kline) []byte {
	n := func(key string, v int64) {
		dst = strconv.AppendInt(append(dst, key...), v, 10)
	}
	dst = appendJSON(append(dst, `{"sym":`...), []byte(k.Sym))
	dst = appendJSON(append(dst, `,"itv":`...), []byte(k.Itv))
	n(`,"t":`, k.T)
	n(`,"T":`, k.CloseT)
	for _, d := range []struct {
		key  string
		text []byte
	}{{"o", k.O}, {"h", k.H}, {"l", k.L}, {"c", k.C}, {"v", k.V}, {"qv", k.QV}} {
		dst = append(append(append(append(append(dst, `,"`...), d.key...), `":"`...), d.text...), '"')
	}
	n(`,"n":`, k.N)
	for _, d := range []struct {
		key  string
		text []byte
	}{{"bv", k.BV}, {"bqv", k.BQV}, {"vwap", k.VWAP}} {
		dst = append(append(append(append(append(dst, `,"`...), d.key...), `":"`...), d.text...), '"')
	}
	dst = append(append(dst, `,"f":`...), k.FirstID...)
	dst = append(append(dst, `,"L":`...), k.LastID...)
	n(`,"final":true,"rev":`, int64(k.Rev))
	if k.Why != "" {
		dst = appendJSON(append(dst, `,"why":`...), []byte(k.Why))
	}
	n(`,"seq":`, k.Seq)
	dst = appendJSON(append(dst, `,"q":`...), []byte(k.Q))
	dst = append(dst, `,"src":{"p":0,"o0":0,"o1":0},"wm":0,"ep":0`...)
	if len(k.Ind) > 0 {
		dst = k.AppendValues(append(dst, `,"ind":`...))
	}
	return append(dst, '}')
}
