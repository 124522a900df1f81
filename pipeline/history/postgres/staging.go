package postgres

import (
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// staging is the session's table that rows are copied into, and the way from
// there. It is empty after each transaction.
//
// direct copies into the table itself; empty where a row may have to replace
// another.
type staging struct{ create, copy, empty, insert, direct string }

func stagingOf(s history.Stream) staging {
	if s == history.Trades {
		return staging{create: createTrades, copy: copyTrades, empty: "truncate pg_temp.kline_trades", insert: insertTrades, direct: directTrades}
	}
	return staging{create: createKlines, copy: copyKlines, empty: "truncate pg_temp.kline_klines", insert: insertKlines}
}

// The columns are named in each statement: an operator may have added others, and
// one that is missing is named by the server.
const (
	tradeColumns = `sym, tid, ts, ns, price, size, side, src, p, o, i`
	klineColumns = `sym, itv, open_time, rev, ep, close_time, o, h, l, c, v, qv, n, bv, bqv, vwap,
	first_id, last_id, q, why, seq, wm, p, o0, o1, so, sk, ind`
)

const (
	createTrades = `create temp table if not exists kline_trades (
	sym text, tid text, ts timestamptz, ns smallint, price numeric, size numeric, side text, src text, p int, o bigint, i int) on commit delete rows`
	copyTrades   = `copy pg_temp.kline_trades from stdin`
	insertTrades = `insert into S.trades (` + tradeColumns + `) select ` + tradeColumns + ` from pg_temp.kline_trades on conflict do nothing`
	directTrades = `copy S.trades (` + tradeColumns + `) from stdin`

	createKlines = `create temp table if not exists kline_klines (
	sym text, itv text, open_time timestamptz, rev int, ep int, close_time timestamptz,
	o numeric, h numeric, l numeric, c numeric, v numeric, qv numeric, n bigint, bv numeric, bqv numeric, vwap numeric,
	first_id text, last_id text, q text, why text, seq bigint, wm timestamptz,
	p int, o0 bigint, o1 bigint, so bigint, sk bigint, ind jsonb) on commit delete rows`
	copyKlines = `copy pg_temp.kline_klines from stdin`
	// One statement must not change a row twice; repeats of a crash do that.
	insertKlines = `insert into S.klines (` + klineColumns + `)
	select distinct on (sym, itv, open_time, rev, ep) ` + klineColumns + ` from pg_temp.kline_klines order by sym, itv, open_time, rev, ep, so desc, sk desc
	on conflict (sym, itv, open_time, rev, ep) do update set close_time = excluded.close_time,
	o = excluded.o, h = excluded.h, l = excluded.l, c = excluded.c, v = excluded.v, qv = excluded.qv, n = excluded.n,
	bv = excluded.bv, bqv = excluded.bqv, vwap = excluded.vwap, first_id = excluded.first_id, last_id = excluded.last_id,
	q = excluded.q, why = excluded.why, seq = excluded.seq, wm = excluded.wm,
	p = excluded.p, o0 = excluded.o0, o1 = excluded.o1, so = excluded.so, sk = excluded.sk, ind = excluded.ind`
)

// null is how COPY writes no value.
const null = `\N`

// timeLayout keeps what the server can: microseconds.
const timeLayout = "2006-01-02 15:04:05.000000+00"

// appendTrade appends a row of the staging table of trades. ns are the
// nanoseconds below the microsecond of ts.
func appendTrade(dst []byte, t *history.Trade) []byte {
	dst = append(dst, t.Symbol...) // its alphabet needs no escapes
	dst = append(dst, '\t')
	start := len(dst)
	dst = t.AppendID(dst)
	if id := dst[start:]; special(id) {
		dst = history.AppendTab(dst[:start], string(id))
	}
	dst = append(dst, '\t')
	dst = time.Unix(0, t.EventNS).UTC().AppendFormat(dst, timeLayout)
	dst = appendInt(append(dst, '\t'), (t.EventNS%1000+1000)%1000)
	dst = t.AppendPrice(append(dst, '\t'))
	dst = t.AppendSize(append(dst, '\t'))
	dst = append(dst, '\t')
	if side := t.Side.String(); side != "" {
		dst = append(dst, side...)
	} else {
		dst = append(dst, null...)
	}
	dst = history.AppendTab(append(dst, '\t'), t.Source)
	dst = appendInt(append(dst, '\t'), int64(t.P))
	dst = appendInt(append(dst, '\t'), t.Offset)
	dst = appendInt(append(dst, '\t'), int64(t.Index))
	return append(dst, '\n')
}

// special reports whether COPY would read text in another way.
func special(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c < 0x20 {
			return true
		}
	}
	return false
}

// appendKline appends a row of the staging table of klines.
func appendKline(dst []byte, k *history.Kline) []byte {
	dst = history.AppendTab(dst, k.Sym)
	dst = history.AppendTab(append(dst, '\t'), k.Itv)
	dst = appendMillis(append(dst, '\t'), k.T)
	dst = appendInt(append(dst, '\t'), int64(k.Rev))
	dst = appendInt(append(dst, '\t'), int64(k.EP))
	dst = appendMillis(append(dst, '\t'), k.CloseT)
	for _, v := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV} {
		dst = append(append(dst, '\t'), v...)
	}
	dst = appendInt(append(dst, '\t'), k.N)
	for _, v := range [...][]byte{k.BV, k.BQV, k.VWAP} {
		dst = append(append(dst, '\t'), v...)
	}
	dst = history.AppendTab(append(dst, '\t'), history.Plain(k.FirstID))
	dst = history.AppendTab(append(dst, '\t'), history.Plain(k.LastID))
	dst = history.AppendTab(append(dst, '\t'), k.Q)
	dst = append(dst, '\t')
	if k.Why == "" {
		dst = append(dst, null...)
	}
	dst = history.AppendTab(dst, k.Why)
	dst = appendInt(append(dst, '\t'), k.Seq)
	dst = appendMillis(append(dst, '\t'), k.WM)
	for _, n := range [...]int64{int64(k.KlineRecord.P), k.O0, k.O1, k.So, k.Sk} {
		dst = appendInt(append(dst, '\t'), n)
	}
	dst = append(dst, '\t')
	if len(k.Ind) == 0 {
		dst = append(dst, null...)
	}
	var values [1024]byte
	dst = history.AppendTab(dst, k.AppendValues(values[:0]))
	return append(dst, '\n')
}

func appendMillis(dst []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(dst, timeLayout)
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
