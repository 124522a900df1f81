package transfer

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// importedQuality is what the field q of an imported bar says if its row does
// not.
const importedQuality = "imported"

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
		k.Sym = string(b.symbol)
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

// prices reads the four prices: l <= o, c <= h, all above 0 unless the symbol may
// have others.
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
		if err == nil && !takesPrice(b.cfg.Rules, k.Sym, d) {
			return b.fault(f.name, "is not above 0 (`prices any` in the block symbols takes it)")
		}
		if err != nil || d.Scale > core.MaxScale {
			return b.fault(f.name, "is no price: a decimal number with at most %d places", core.MaxScale)
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
		// Sums of prices below 0 are below 0, volumes never.
		signed := f.name != "v" && f.name != "bv" && takesPrice(b.cfg.Rules, k.Sym, core.Decimal{Coef: -1})
		exact, ok := exactDecimal(text, signed)
		if !ok && signed {
			return b.fault(f.name, "is no decimal number")
		}
		if !ok {
			return b.fault(f.name, "is no decimal number from 0 on")
		}
		*f.to = exact
	}
	var err error
	k.N, err = b.count("n")
	return err
}

// exactDecimal is the shortest text of a number of any length, 0 or above unless it
// may have a sign.
func exactDecimal(text []byte, signed bool) ([]byte, bool) {
	if d, err := core.ParseDecimal(text); err == nil {
		return core.AppendDecimal(nil, d.Coef, d.Scale), d.Coef >= 0 || signed
	}
	if size, negative := bytes.CutPrefix(text, []byte{'-'}); negative && signed {
		exact, ok := exactDecimal(size, false)
		return append([]byte{'-'}, exact...), ok
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
