package transfer

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

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
			if tradeColumns.names[i] == "maker" && t.texts[wire.FieldSide] == nil {
				return faulty(r.layout.label(i), "%q is neither true nor false: is it the right column?", cut(string(text)))
			}
		}
	}
	text := t.texts[wire.FieldTS]
	if t.cfg.midnight() {
		ms, ok := t.sinceMidnight(text)
		if !ok {
			return faulty(r.label("ts"), "%q is no count of ms since midnight", cut(string(text)))
		}
		t.texts[wire.FieldTS] = strconv.AppendInt(nil, ms, 10)
	}
	trade, err := t.judged(func(unit wire.TimeUnit) core.Trade { return t.table(unit).Row(&t.texts) }, string(text))
	t.trades = append(t.trades[:0], trade)
	if f := (*fault)(nil); errors.As(err, &f) && f.field != "" {
		return t.explain(r, f)
	}
	if err == nil && !t.cfg.Contracts && adapter.CountsContracts(t.cfg.Venue, trade.Symbol) {
		return faulty(r.label("size"), "%q counts contracts of %s, not base units (--contracts takes it as it is)", cut(string(t.texts[wire.FieldSize])), trade.Symbol)
	}
	return err
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
		if field, ok := fieldOf(name); ok {
			t.texts[field] = text
		}
	}
}

// fieldOf is the field of a column; tn is one that a mapping cannot name.
func fieldOf(name string) (wire.Field, bool) {
	if name == "tn" {
		return wire.FieldTN, true
	}
	return wire.ParseField(name)
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

// explain names the column of a fault, and its text.
func (t *tradeReader) explain(r *row, f *fault) error {
	out := &fault{field: r.label(f.field), reason: f.reason}
	field, _ := fieldOf(f.field)
	switch text := t.texts[field]; {
	case len(text) == 0:
		out.reason = "it is empty"
	case field != wire.FieldTS: // the reason of a time quotes it already
		out.reason = strconv.Quote(cut(string(text))) + " " + f.reason
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
