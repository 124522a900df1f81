package transfer

import (
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// times reads the open time, and checks it and the close time against the
// interval.
func (b *barReader) times(k *history.Kline) error {
	text := b.texts["t"]
	if b.cfg.midnight() {
		ms, ok := b.sinceMidnight(text)
		if !ok {
			return b.fault("t", "is no count of ms since midnight")
		}
		k.T = ms
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
