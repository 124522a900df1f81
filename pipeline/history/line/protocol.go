package line

import (
	"fmt"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// Decimals of QuestDB have 20 digits in front of the point and 18 behind it; it
// refuses a whole batch for one digit more.
const (
	whole  = 20
	places = 18
)

// The tables of QuestDB. They are made here and not by the first line, because a
// table made by a line has no keys: each repeat would be a second row.
const (
	positionsTable = `CREATE TABLE IF NOT EXISTS kline_positions (ts TIMESTAMP, topic SYMBOL, p LONG, next_offset LONG)
	TIMESTAMP(ts) PARTITION BY YEAR WAL DEDUP UPSERT KEYS(ts, topic, p)`
	klinesTable = `CREATE TABLE IF NOT EXISTS klines (ts TIMESTAMP, sym SYMBOL, itv SYMBOL, rev LONG, ep LONG, close_ms LONG,
	o DECIMAL(38,18), h DECIMAL(38,18), l DECIMAL(38,18), c DECIMAL(38,18), v DECIMAL(38,18), qv DECIMAL(38,18), n LONG,
	bv DECIMAL(38,18), bqv DECIMAL(38,18), vwap DECIMAL(38,18), first_id VARCHAR, last_id VARCHAR, q SYMBOL, why SYMBOL, seq LONG, wm LONG,
	p LONG, o0 LONG, o1 LONG, so LONG, sk LONG, ind VARCHAR)
	TIMESTAMP(ts) PARTITION BY MONTH WAL DEDUP UPSERT KEYS(ts, sym, itv, rev, ep)`
)

// check refuses what QuestDB's columns would not hold.
func (d Dialect) check(k *history.Kline) error {
	if d != QuestDB {
		return nil
	}
	for _, text := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV, k.BV, k.BQV, k.VWAP} {
		if !history.Fits(text, whole, places) {
			return fmt.Errorf("%.40q has more than %d digits before or %d behind the point", text, whole, places)
		}
	}
	return nil
}

// appendKline appends one line. What is in InfluxDB's key are tags; in QuestDB
// the key is the table's, and rev and ep are numbers there.
func (d Dialect) appendKline(dst []byte, k *history.Kline) []byte {
	dst = appendTag(append(dst, "klines"...), "sym", k.Sym)
	dst = appendTag(dst, "itv", k.Itv)
	if d == InfluxDB {
		dst = appendTag(dst, "rev", strconv.Itoa(int(k.Rev)))
		dst = appendTag(dst, "ep", strconv.Itoa(int(k.EP)))
	} else {
		dst = appendTag(dst, "q", k.Q)
		dst = appendTag(dst, "why", k.Why)
	}
	dst = appendInt(dst, " close_ms=", k.CloseT)
	if d == InfluxDB {
		dst = appendString(dst, ",q=", k.Q)
		dst = appendString(dst, ",why=", k.Why)
	} else {
		dst = appendInt(dst, ",rev=", int64(k.Rev))
		dst = appendInt(dst, ",ep=", int64(k.EP))
	}
	for i, text := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV, k.BV, k.BQV, k.VWAP} {
		dst = append(append(append(dst, ','), decimals[i]...), '=')
		dst = append(dst, text...)
		if d == QuestDB {
			dst = append(dst, 'd')
		}
	}
	dst = appendInt(dst, ",n=", k.N)
	dst = appendString(dst, ",first_id=", history.Plain(k.FirstID))
	dst = appendString(dst, ",last_id=", history.Plain(k.LastID))
	for i, n := range [...]int64{k.Seq, k.WM, int64(k.KlineRecord.P), k.O0, k.O1, k.So, k.Sk} {
		dst = appendInt(append(append(dst, ','), integers[i]...), "=", n)
	}
	var values [1024]byte
	dst = appendString(dst, ",ind=", k.AppendValues(values[:0]))
	dst = strconv.AppendInt(append(dst, ' '), k.T, 10)
	return append(dst, '\n')
}

var (
	decimals = [...]string{"o", "h", "l", "c", "v", "qv", "bv", "bqv", "vwap"}
	integers = [...]string{"seq", "wm", "p", "o0", "o1", "so", "sk"}
)

// appendPosition appends the line of a partition. Its time is always the same,
// so that it replaces its predecessor.
func (d Dialect) appendPosition(dst []byte, topic string, m history.Move) []byte {
	dst = appendTag(append(dst, "kline_positions"...), "topic", topic)
	if d == InfluxDB {
		dst = appendTag(dst, "p", strconv.Itoa(int(m.P)))
		dst = appendInt(dst, " next_offset=", m.To)
	} else {
		dst = appendInt(dst, " p=", int64(m.P))
		dst = appendInt(dst, ",next_offset=", m.To)
	}
	return append(dst, " 0\n"...)
}

// appendTag appends a tag; an empty one is none. Comma, space, equals sign and
// line feed end a tag, so they stand behind a backslash.
func appendTag(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, ','), name...), '=')
	for i := range len(value) {
		switch c := value[i]; c {
		case ',', ' ', '=', '\\':
			dst = append(dst, '\\', c)
		case '\n', '\r':
			dst = append(dst, '_')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func appendString[T string | []byte](dst []byte, name string, value T) []byte {
	dst = append(append(dst, name...), '"')
	for i := range len(value) {
		if c := value[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, value[i])
	}
	return append(dst, '"')
}

func appendInt(dst []byte, name string, n int64) []byte {
	return append(strconv.AppendInt(append(dst, name...), n, 10), 'i')
}
