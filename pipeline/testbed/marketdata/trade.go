package marketdata

import (
	"encoding/json"
	"strconv"
)

// Trade is one trade of a file. Numbers are the file's decimal text.
type Trade struct {
	Symbol string
	Price  string // quote currency per unit
	Size   string // base units
	TS     int64  // event time, ms since 1970 UTC
	ID     int64  // integer id; 0 where TextID or none is given
	TextID string // id that is no integer, such as "spy_20131008:17"
	Side   string // taker: buy, sell; empty = unknown
	// Conditions are the sale conditions, one hexadecimal bit each ("20", "2000").
	Conditions []string
}

// AppendJSON appends the trade in the generic form, keys in the order of the fast path of the decoder, without a line end.
func (t Trade) AppendJSON(out []byte) []byte {
	out = append(out, `{"symbol":`...)
	out = appendString(out, t.Symbol)
	out = append(out, `,"price":"`...)
	out = append(out, t.Price...)
	out = append(out, `","size":"`...)
	out = append(out, t.Size...)
	out = append(out, `","ts":`...)
	out = strconv.AppendInt(out, t.TS, 10)
	switch {
	case t.TextID != "":
		out = appendString(append(out, `,"id":`...), t.TextID)
	case t.ID != 0:
		out = strconv.AppendInt(append(out, `,"id":`...), t.ID, 10)
	}
	if t.Side != "" {
		out = appendString(append(out, `,"side":`...), t.Side)
	}
	for i, condition := range t.Conditions {
		if i == 0 {
			out = append(out, `,"conditions":[`...)
		} else {
			out = append(out, ',')
		}
		out = appendString(out, condition)
	}
	if len(t.Conditions) > 0 {
		out = append(out, ']')
	}
	return append(out, '}')
}

func appendString(out []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(out, quoted...)
}
