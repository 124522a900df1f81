package verify

import (
	"fmt"
	"slices"
	"strings"
)

// field is a part of a trade.
type field uint8

const (
	fSymbol field = iota
	fPrice
	fSize
	fTS
	fTN
	fID
	fSide
	fSeq
	fOp
	nFields
)

var fieldWords = [nFields]string{"symbol", "price", "size", "ts", "tn", "id", "side", "seq", "op"}

// Limits of a record, as the topic's readers have them.
const (
	maxRecord = 64 << 10
	maxTrades = 4096
)

// decoder reads the trades of a record by a Format. It belongs to one goroutine.
type decoder struct {
	keys  [nFields][]string // path of each field, nil: not read
	flat  bool              // no path is longer than one key
	unit  int64             // nanoseconds per unit of ts, 0: RFC 3339
	maker bool

	tok    [nFields]token
	order  []field // the fields in the order of the last record's keys
	bad    bool
	trades []trade
}

// newDecoder returns a decoder, or what is wrong with f.
func newDecoder(f Format) (*decoder, error) {
	d := &decoder{flat: true, maker: f.SideOf == "maker"}
	units := map[string]int64{"": 1e6, "ms": 1e6, "s": 1e9, "us": 1e3, "ns": 1, "rfc3339": 0}
	unit, ok := units[f.TimeUnit]
	if !ok {
		return nil, fmt.Errorf("reading format: unknown time_unit %q", cut(f.TimeUnit))
	}
	d.unit = unit
	for i, word := range fieldWords {
		d.keys[i] = []string{word}
		if path := f.Paths[word]; path != "" {
			d.keys[i] = strings.Split(path, ".")
		}
		d.flat = d.flat && len(d.keys[i]) == 1 && !strings.HasSuffix(d.keys[i][0], "[]")
	}
	if f.SideOf == "none" {
		d.keys[fSide] = nil
	}
	// tn belongs to the generic ts: another feed's tn is something else.
	if unit != 1e6 || f.Paths["ts"] != "" {
		d.keys[fTN] = nil
	}
	return d, nil
}

// decode returns the trades of a record, false if it holds none.
func (d *decoder) decode(value []byte) ([]trade, bool) {
	if len(value) > maxRecord {
		return nil, false
	}
	d.trades = d.trades[:0]
	if d.flat && d.quick(value) {
		d.trades = append(d.trades, trade{})
		d.judge(&d.trades[0])
		return d.trades, true
	}
	return d.slow(value)
}

// quick reads one flat object of plain ASCII without escapes into the tokens.
// It reports false for all else, good or bad.
func (d *decoder) quick(b []byte) bool {
	d.tok = [nFields]token{}
	c := scanner{b: b}
	if !c.byte('{') {
		return false
	}
	for n := 0; ; n++ {
		key, ok := c.string()
		if !ok || !c.byte(':') {
			return false
		}
		var tok token
		if tok, ok = c.token(); !ok {
			return false
		}
		if f := d.fieldOf(key, n); f < nFields {
			d.tok[f] = tok
		}
		if c.byte(',') {
			continue
		}
		return c.byte('}') && c.end()
	}
}

// fieldOf finds the field of the n-th key. Producers write their keys in one
// order, so the place in the last record is looked at first.
func (d *decoder) fieldOf(key []byte, n int) field {
	if n < len(d.order) {
		if f := d.order[n]; f < nFields && string(key) == d.keys[f][0] {
			return f
		}
	}
	found := nFields
	for f := range nFields {
		if len(d.keys[f]) == 1 && string(key) == d.keys[f][0] {
			found = f
		}
	}
	if n < 64 {
		for len(d.order) <= n {
			d.order = append(d.order, nFields)
		}
		d.order[n] = found
	}
	return found
}

// list returns the key of the array of trades with its path, nil without one.
func (d *decoder) list() []string {
	for _, path := range d.keys {
		if i := slices.IndexFunc(path, func(k string) bool { return strings.HasSuffix(k, "[]") }); i >= 0 {
			return path[:i+1]
		}
	}
	return nil
}
