package history

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Origin is where a row stands: its record, and its place in a record that
// holds several trades.
type Origin struct {
	P      int32
	Offset int64
	Index  int
	// Value is the whole record, for the dead-letter topic.
	Value []byte
}

// Trade is one row of the stream of trades. Its slices point into the record.
type Trade struct {
	core.Trade
	Source string
	Origin
}

// AppendID appends the id of the trade: the venue's, or its place in the topic
// (partition/offset/index) if it has none, which is as unique and as stable.
func (t *Trade) AppendID(dst []byte) []byte {
	switch t.ID.Kind {
	case core.IDInt:
		return strconv.AppendInt(dst, t.ID.Num, 10)
	case core.IDText:
		return append(dst, t.ID.Text...)
	default:
		dst = append(strconv.AppendInt(dst, int64(t.P), 10), '/')
		dst = append(strconv.AppendInt(dst, t.Offset, 10), '/')
		return strconv.AppendInt(dst, int64(t.Index), 10)
	}
}

// AppendPrice appends the exact decimal text of the price.
func (t *Trade) AppendPrice(dst []byte) []byte {
	return core.AppendDecimal(dst, t.Price.Coef, t.Price.Scale)
}

// AppendSize appends the exact decimal text of the size.
func (t *Trade) AppendSize(dst []byte) []byte {
	return core.AppendDecimal(dst, t.Size.Coef, t.Size.Scale)
}

// Kline is one row of the stream of klines: a bar in one of its revisions.
type Kline struct {
	wire.KlineRecord
	// So and Sk are the position of the record, by which the newest of several
	// revisions is known.
	So, Sk int64
	Origin
}

// AppendTab appends text as PostgreSQL's COPY and ClickHouse's TabSeparated
// read it: tab, line feed, carriage return and backslash behind a backslash.
func AppendTab[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		switch c := text[i]; c {
		case '\t':
			dst = append(dst, '\\', 't')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\\':
			dst = append(dst, '\\', '\\')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// AppendValues appends the indicator values of k as one JSON object, by
// instance: {"ema(20)":{"v":[1.5],"n":42,"fl":1,"seq":9,"ver":"9f3c1a77"}}.
// Without values it appends nothing.
func (k *Kline) AppendValues(dst []byte) []byte {
	if len(k.Ind) == 0 {
		return dst
	}
	sep := byte('{')
	for i := range k.Ind {
		v := &k.Ind[i]
		dst = appendQuoted(append(dst, sep), v.Name)
		dst = append(dst, `:{"v":[`...)
		for j, number := range v.V {
			if j > 0 {
				dst = append(dst, ',')
			}
			if number == nil {
				dst = append(dst, "null"...)
			}
			dst = append(dst, number...)
		}
		dst = strconv.AppendInt(append(dst, `],"n":`...), v.N, 10)
		dst = strconv.AppendInt(append(dst, `,"fl":`...), int64(v.Flags), 10)
		dst = strconv.AppendInt(append(dst, `,"seq":`...), v.Seq, 10)
		dst = appendQuoted(append(dst, `,"ver":`...), v.Ver)
		dst = append(dst, '}')
		sep = ','
	}
	return append(dst, '}')
}

// appendQuoted appends text as JSON.
func appendQuoted(dst []byte, text string) []byte {
	if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		b, err := json.Marshal(text)
		if err != nil { // a text always marshals
			b = []byte(`""`)
		}
		return append(dst, b...)
	}
	return append(append(append(dst, '"'), text...), '"')
}

// Plain is an id of a trade in a kline without the quotes of its JSON. It may
// point into id.
func Plain(id []byte) []byte {
	if len(id) < 2 || id[0] != '"' {
		return id
	}
	if inner := id[1 : len(id)-1]; !bytes.ContainsAny(inner, `\"`) {
		return inner
	}
	var text string
	if json.Unmarshal(id, &text) != nil { // it was decoded once already
		return id
	}
	return []byte(text)
}
