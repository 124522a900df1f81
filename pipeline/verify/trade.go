package verify

import (
	"math"
	"strconv"
	"time"
)

// sort of an id: none, an integer, a text.
const (
	idNone uint8 = iota
	idNumber
	idText
)

// trade is one trade of a record. Its slices point into the record.
type trade struct {
	symbol      []byte
	price, size amount
	ns          int64 // event time since 1970
	ms          int64
	kind        uint8 // of the id
	num         int64
	text        []byte
	seq         int64
	hasSeq, buy bool
	// fault is the field that makes it unusable, "" for a good one.
	fault string
}

// token is a JSON value that a trade is made of.
type token struct {
	text []byte
	kind tokenKind
}

type tokenKind uint8

const (
	tokenNone tokenKind = iota // missing or null
	tokenText
	tokenNumber
	tokenTrue
	tokenFalse
	tokenOther
)

// judge fills t from the tokens of one object.
func (d *decoder) judge(t *trade) {
	*t = trade{}
	sym := &d.tok[fSymbol]
	if sym.kind != tokenText || !validSymbol(sym.text) {
		t.fault = "symbol"
		return
	}
	t.symbol = sym.text
	var ok bool
	if t.price, ok = d.number(fPrice, parsePrice); !ok {
		t.fault = "price"
		return
	}
	if t.size, ok = d.number(fSize, parseAmount); !ok {
		t.fault = "size"
		return
	}
	if !d.time(t) {
		t.fault = "ts"
		return
	}
	if !d.ids(t) {
		return
	}
	d.side(t)
	op := &d.tok[fOp]
	if op.kind != tokenNone && (op.kind != tokenText || !isWord(op.text, "new")) {
		t.fault = "op"
	}
}

func (d *decoder) number(f field, parse func([]byte) (amount, bool)) (amount, bool) {
	if k := d.tok[f].kind; k != tokenText && k != tokenNumber {
		return amount{}, false
	}
	return parse(d.tok[f].text)
}

// validSymbol reports whether b is a letter or digit and up to 31 more of them
// or of . _ : / -
func validSymbol(b []byte) bool {
	if len(b) == 0 || len(b) > 32 {
		return false
	}
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		case i > 0 && (c == '.' || c == '_' || c == ':' || c == '/' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// isWord compares without regard to case; word is lower case.
func isWord(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// time reads the event time in the declared unit, and the nanoseconds below the
// millisecond of the generic form.
func (d *decoder) time(t *trade) bool {
	ts := &d.tok[fTS]
	if ts.kind != tokenText && ts.kind != tokenNumber {
		return false
	}
	if d.unit == 0 {
		var at time.Time
		if ts.kind != tokenText || at.UnmarshalText(ts.text) != nil {
			return false
		}
		if s := at.Unix(); s < 0 || s >= math.MaxInt64/1_000_000_000 {
			return false
		}
		t.ns = at.UnixNano()
	} else if t.ns, d.bad = unixTime(ts.text, d.unit); d.bad {
		return false
	}
	if tn := &d.tok[fTN]; tn.kind != tokenNone {
		n, ok := whole(tn.text)
		if !ok || n > 999_999 || t.ns > math.MaxInt64-n {
			return false
		}
		t.ns += n
	}
	t.ms = t.ns / 1_000_000
	return true
}

// unixTime reads a whole number of units of so many nanoseconds; seconds may
// have a fraction down to the nanosecond.
func unixTime(b []byte, unit int64) (ns int64, bad bool) {
	head := b
	var fraction []byte
	for i, c := range b {
		if c == '.' {
			head, fraction = b[:i], b[i+1:]
			if unit != 1_000_000_000 || len(fraction) == 0 {
				return 0, true
			}
			break
		}
	}
	n, ok := whole(head)
	if !ok || n > math.MaxInt64/unit {
		return 0, true
	}
	ns = n * unit
	var below, scale int64 = 0, 100_000_000
	for _, c := range fraction {
		if c < '0' || c > '9' || scale == 0 && c != '0' {
			return 0, true
		}
		below += int64(c-'0') * scale
		scale /= 10
	}
	return ns + below, ns > math.MaxInt64-below
}

// whole reads a natural number of at most 19 digits.
func whole(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= math.MaxInt64 //nolint:gosec // tested beside
}

// integer reads an int64 in the one form that a printer gives it.
func integer(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	if len(digits) == len(b) {
		return whole(b)
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// ids reads id and seq.
func (d *decoder) ids(t *trade) bool {
	id := &d.tok[fID]
	if id.kind > tokenNumber || len(id.text) > 64 {
		t.fault = "id"
		return false
	}
	if len(id.text) > 0 {
		if n, ok := integer(id.text); ok {
			t.kind, t.num = idNumber, n
		} else if !oddID(t, id) {
			t.fault = "id"
			return false
		}
	}
	if seq := &d.tok[fSeq]; seq.kind != tokenNone {
		if t.seq, t.hasSeq = integer(seq.text); !t.hasSeq {
			t.fault = "seq"
			return false
		}
	}
	return true
}

// oddID is an id that is no int64: a text, or a number with more digits.
func oddID(t *trade, id *token) bool {
	if id.kind == tokenNumber {
		if string(id.text) == "-0" {
			t.kind = idNumber
			return true
		}
		for _, c := range id.text[1:] {
			if c < '0' || c > '9' {
				return false
			}
		}
	}
	t.kind, t.text = idText, id.text
	return true
}

// side finds out whether the taker bought.
func (d *decoder) side(t *trade) {
	switch s := &d.tok[fSide]; {
	case s.kind == tokenTrue, s.kind == tokenText && isWord(s.text, "buy"):
		t.buy = !d.maker
	case s.kind == tokenFalse, s.kind == tokenText && isWord(s.text, "sell"):
		t.buy = d.maker
	}
}
