package clickhouse

import (
	"fmt"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// All decimals have the same column: 20 digits in front of the point, 18 behind
// it, where the notional of eighteen-digit coins ends.
const (
	whole  = 20
	places = 18
)

const positionsTable = `CREATE TABLE IF NOT EXISTS DB.positions (topic String, p Int32, next_offset Int64, ver UInt64) ENGINE = ReplacingMergeTree(ver) ORDER BY (topic, p)`

// tables are partitioned by years of 365.2425 days, counted from 1970: one
// insert may touch a hundred partitions, and nearly every batch stays below. See
// maxYears for the others.
// ver packs the position of a revision, so that the newest of a bar is the
// greatest.
var tables = [...]string{
	history.Trades: `CREATE TABLE IF NOT EXISTS DB.trades (sym String, tid String, ts_ns Int64, price Decimal(38, 18), size Decimal(38, 18), side String,
	src String, p Int32, o Int64, i Int32) ENGINE = ReplacingMergeTree() PARTITION BY intDiv(ts_ns, 31556952000000000) ORDER BY (sym, tid, ts_ns)`,
	history.Klines: `CREATE TABLE IF NOT EXISTS DB.klines (sym String, itv String, open_ms Int64, ep Int32, rev Int32, close_ms Int64,
	o Decimal(38, 18), h Decimal(38, 18), l Decimal(38, 18), c Decimal(38, 18), v Decimal(38, 18), qv Decimal(38, 18), n Int64,
	bv Decimal(38, 18), bqv Decimal(38, 18), vwap Decimal(38, 18), first_id String, last_id String, q String, why String, seq Int64, wm Int64,
	p Int32, o0 Int64, o1 Int64, so Int64, sk Int64, ind String, ver UInt64)
	ENGINE = ReplacingMergeTree(ver) PARTITION BY intDiv(open_ms, 31556952000) ORDER BY (sym, itv, open_ms, ep)`,
}

// columns are named in each insert: an operator may have added others.
var columns = [...]string{
	history.Trades: "sym, tid, ts_ns, price, size, side, src, p, o, i",
	history.Klines: "sym, itv, open_ms, ep, rev, close_ms, o, h, l, c, v, qv, n, bv, bqv, vwap, first_id, last_id, q, why, seq, wm, p, o0, o1, so, sk, ind, ver",
}

// ordinalBits are the low bits of ver.
const ordinalBits = 20

// check refuses what the columns would cut.
func (s *Sink) check(b *history.Batch, i int) error {
	var digits [16]byte
	if s.cfg.Stream == history.Trades {
		t := &b.Trades[i]
		if !history.Fits(t.AppendPrice(digits[:0]), whole, places) || !history.Fits(t.AppendSize(digits[:0]), whole, places) {
			return fmt.Errorf("price or size has more than %d digits before or %d behind the point", whole, places)
		}
		return nil
	}
	k := &b.Klines[i]
	for _, text := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV, k.BV, k.BQV, k.VWAP} {
		if !history.Fits(text, whole, places) {
			return fmt.Errorf("%.40q has more than %d digits before or %d behind the point", text, whole, places)
		}
	}
	if k.So >= 1<<(64-ordinalBits) || k.Sk >= 1<<ordinalBits {
		return fmt.Errorf("the position %d,%d does not fit the version of a row", k.So, k.Sk)
	}
	return nil
}

func appendTrade(dst []byte, t *history.Trade) []byte {
	dst = append(dst, t.Symbol...) // its alphabet needs no escapes
	dst = append(dst, '\t')
	start := len(dst)
	dst = t.AppendID(dst)
	dst = history.AppendTab(dst[:start], string(dst[start:]))
	dst = appendInt(dst, t.EventNS)
	dst = t.AppendPrice(append(dst, '\t'))
	dst = t.AppendSize(append(dst, '\t'))
	dst = appendText(dst, t.Side.String())
	dst = appendText(dst, t.Source)
	dst = appendInt(dst, int64(t.P))
	dst = appendInt(dst, t.Offset)
	dst = appendInt(dst, int64(t.Index))
	return append(dst, '\n')
}

func appendKline(dst []byte, k *history.Kline) []byte {
	dst = history.AppendTab(dst, k.Sym)
	dst = appendText(dst, k.Itv)
	for _, n := range [...]int64{k.T, int64(k.EP), int64(k.Rev), k.CloseT} {
		dst = appendInt(dst, n)
	}
	for _, v := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV} {
		dst = append(append(dst, '\t'), v...)
	}
	dst = appendInt(dst, k.N)
	for _, v := range [...][]byte{k.BV, k.BQV, k.VWAP} {
		dst = append(append(dst, '\t'), v...)
	}
	dst = appendText(dst, history.Plain(k.FirstID))
	dst = appendText(dst, history.Plain(k.LastID))
	dst = appendText(dst, k.Q)
	dst = appendText(dst, k.Why)
	for _, n := range [...]int64{k.Seq, k.WM, int64(k.KlineRecord.P), k.O0, k.O1, k.So, k.Sk} {
		dst = appendInt(dst, n)
	}
	var values [1024]byte
	dst = appendText(dst, k.AppendValues(values[:0]))
	dst = strconv.AppendUint(append(dst, '\t'), uint64(k.So)<<ordinalBits|uint64(k.Sk), 10)
	return append(dst, '\n')
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(append(dst, '\t'), n, 10) }

func appendText[T string | []byte](dst []byte, text T) []byte {
	return history.AppendTab(append(dst, '\t'), text)
}
