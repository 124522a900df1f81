package wire

import (
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// judge makes a trade of the tokens read. The fields are looked at in a fixed
// order, so a trade with two faults gets the same reason however its keys were
// ordered.
func (d *Decoder) judge(t *core.Trade) {
	*t = core.Trade{}
	switch s := &d.tok[FieldSymbol]; {
	case s.kind == tokenString && core.ValidSymbol(s.text):
		t.Symbol = s.text
	case s.kind == tokenMissing && len(d.symbol) > 0:
		t.Symbol = d.symbol
	default:
		d.refuse(t, core.ReasonSymbol, FieldSymbol)
		return
	}
	if !d.decimal(t, &t.Price, FieldPrice, core.ReasonPrice) || !d.decimal(t, &t.Size, FieldSize, core.ReasonSize) {
		return
	}
	if !d.time(t) || !d.identity(t) {
		return
	}
	d.side(t)
	d.operation(t)
}

func (d *Decoder) refuse(t *core.Trade, r core.Reason, f Field) {
	t.Reject, t.Field = r, d.names[f]
}

func (d *Decoder) decimal(t *core.Trade, v *core.Decimal, f Field, r core.Reason) bool {
	tok := &d.tok[f]
	if tok.kind != tokenString && tok.kind != tokenNumber {
		d.refuse(t, r, f)
		return false
	}
	plain, end, ok := plainDecimal(tok.text, 0)
	if ok && end == len(tok.text) {
		*v = plain
		return true
	}
	var err error
	if *v, err = core.ParseDecimal(tok.text); err != nil {
		if errors.Is(err, core.ErrOverflow) {
			r = core.ReasonOverflow
		}
		d.refuse(t, r, f)
		return false
	}
	return true
}

// maxSubMillis is the number of nanoseconds in a millisecond, less one.
const maxSubMillis = 999_999

func (d *Decoder) time(t *core.Trade) bool {
	ns, ok := eventTime(d.tok[FieldTS], d.unit)
	if !ok {
		d.refuse(t, core.ReasonTS, FieldTS)
		return false
	}
	t.EventNS = ns
	tn := &d.tok[FieldTN]
	if tn.kind == tokenMissing {
		return true
	}
	sub, n := digits(tn.text)
	if n == 0 || n != len(tn.text) || sub > maxSubMillis {
		d.refuse(t, core.ReasonTS, FieldTN)
		return false
	}
	t.EventNS = ns + sub
	if t.EventNS < 0 { // the last millisecond of int64
		d.refuse(t, core.ReasonTS, FieldTN)
		return false
	}
	return true
}

// identity reads id and seq.
func (d *Decoder) identity(t *core.Trade) bool {
	id := &d.tok[FieldID]
	switch id.kind {
	case tokenMissing:
	case tokenString, tokenNumber:
		if !tradeID(id, &t.ID) {
			d.refuse(t, core.ReasonDecode, FieldID)
			return false
		}
	default:
		d.refuse(t, core.ReasonDecode, FieldID)
		return false
	}
	seq := &d.tok[FieldSeq]
	if seq.kind == tokenMissing {
		return true
	}
	if t.Seq, t.HasSeq = canonicalInt(seq.text); !t.HasSeq {
		d.refuse(t, core.ReasonDecode, FieldSeq)
		return false
	}
	return true
}

// tradeID reads an id. A string that is the text of an int64 is that integer,
// because venues change between the two; an integer beyond int64 keeps its text.
func tradeID(tok *token, id *core.TradeID) bool {
	if len(tok.text) > core.MaxTradeIDText {
		return false
	}
	if len(tok.text) == 0 {
		return true // "" says that there is none
	}
	if n, ok := canonicalInt(tok.text); ok {
		*id = core.TradeID{Kind: core.IDInt, Num: n}
		return true
	}
	if tok.kind == tokenNumber {
		if string(tok.text) == "-0" {
			*id = core.TradeID{Kind: core.IDInt}
			return true
		}
		for _, c := range tok.text[1:] {
			if c-'0' > 9 {
				return false // a fraction or an exponent: a float lost the id
			}
		}
	}
	*id = core.TradeID{Kind: core.IDText, Text: tok.text}
	return true
}

// canonicalInt reads an int64 as strconv would print it.
func canonicalInt(b []byte) (v int64, ok bool) {
	neg := len(b) > 0 && b[0] == '-'
	body := b
	if neg {
		body = b[1:]
	}
	if len(body) == 0 || len(body) > 19 || (body[0] == '0' && len(b) > 1) {
		return 0, false
	}
	u, end := scanDigits(body, 0) // 19 digits fit
	switch {
	case end != len(body):
		return 0, false
	case neg && u <= 1<<63:
		return -int64(u), true
	case !neg && u < 1<<63:
		return int64(u), true
	}
	return 0, false
}

// side reads the taker's side. Anything but buy and sell leaves it unknown,
// which is counted and never guessed. A boolean says whether the party that
// side_of names is the buyer: {"m":true} with side_of maker is a taker's sale.
func (d *Decoder) side(t *core.Trade) {
	buyer, known := false, true
	switch tok := &d.tok[FieldSide]; tok.kind {
	case tokenTrue:
		buyer = true
	case tokenFalse:
	case tokenString:
		buyer = foldEqual(tok.text, "buy")
		known = buyer || foldEqual(tok.text, "sell")
	default:
		known = false
	}
	if !known {
		return
	}
	t.Side = core.SideSell
	if buyer != (d.sideOf == SideOfMaker) {
		t.Side = core.SideBuy
	}
}

// operation refuses cancels and corrections: this release has no state to take
// a trade back from, and applying one as a new trade would be wrong numbers.
func (d *Decoder) operation(t *core.Trade) {
	op := &d.tok[FieldOp]
	switch {
	case op.kind == tokenMissing, op.kind == tokenString && foldEqual(op.text, "new"):
	case op.kind != tokenString || !foldEqual(op.text, "cancel") && !foldEqual(op.text, "correct"):
		d.refuse(t, core.ReasonDecode, FieldOp)
	case d.tok[FieldRefID].kind == tokenMissing:
		d.refuse(t, core.ReasonRef, FieldRefID)
	default:
		d.refuse(t, core.ReasonRef, FieldOp)
	}
}

// foldEqual reports whether b is word, which is lower case ASCII, in any case.
func foldEqual(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if c|0x20 != word[i] {
			return false
		}
	}
	return true
}
