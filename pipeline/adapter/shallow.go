package adapter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// members are the keys of a JSON object by their exact names. Structs would not
// do: encoding/json falls back to names that differ in case, and `M` of a
// Binance trade would overwrite `m`, which turns sides around.
func members(raw []byte) (map[string]json.RawMessage, bool) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 || raw[0] != '{' {
		return nil, false
	}
	var m map[string]json.RawMessage
	return m, json.Unmarshal(raw, &m) == nil
}

// elements are the values of a JSON array.
func elements(raw []byte) ([]json.RawMessage, bool) {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var list []json.RawMessage
	return list, json.Unmarshal(raw, &list) == nil
}

// text is the content of a JSON string, "" of anything else.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// token is the text of a JSON string or number as it stands there, "" of
// anything else. Numbers are never turned into floats.
func token(raw json.RawMessage) string {
	if len(raw) > 0 && (raw[0] == '-' || raw[0]-'0' <= 9) {
		return string(raw)
	}
	return text(raw)
}

// number reads an int64 that is written as an integer or as text of one.
func number(raw json.RawMessage) (int64, bool) {
	s := token(raw)
	if s == "" {
		return 0, false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	return v, err == nil
}

// descend walks keys from the outside in; every array on the way is walked
// through, so that events[].trades[] needs no path of its own.
func descend(raw json.RawMessage, keys ...string) ([]json.RawMessage, bool) {
	level := []json.RawMessage{raw}
	for _, key := range keys {
		var next []json.RawMessage
		for _, one := range level {
			m, ok := members(one)
			if !ok {
				return nil, false
			}
			v, found := m[key]
			if !found {
				return nil, false
			}
			if list, isList := elements(v); isList {
				next = append(next, list...)
				continue
			}
			next = append(next, v)
		}
		level = next
	}
	return level, true
}

// ascending sorts trades with integer ids by them; without, a list that came
// newest first is turned around.
func ascending(trades []Trade) {
	byID := !slices.ContainsFunc(trades, func(t Trade) bool { return t.Reject == core.ReasonNone && t.ID.Kind != core.IDInt })
	if byID {
		slices.SortStableFunc(trades, func(a, b Trade) int { return cmp.Compare(a.ID.Num, b.ID.Num) })
		return
	}
	first, last := -1, -1
	for i := range trades {
		if trades[i].Reject == core.ReasonNone {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first >= 0 && trades[first].EventNS > trades[last].EventNS {
		slices.Reverse(trades)
	}
}
