package verify

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// slow reads any record with encoding/json: arrays, nested fields, escapes.
func (d *decoder) slow(value []byte) ([]trade, bool) {
	value = bytes.Trim(value, " \t\r\n")
	if !utf8.Valid(value) || !json.Valid(value) {
		return nil, false
	}
	d.tok = [nFields]token{}
	d.trades = d.trades[:0]
	ok := false
	switch {
	case value[0] == '{':
		ok = d.object(value)
	case value[0] == '[' && d.list() != nil:
		ok = d.envelopes(value)
	case value[0] == '[':
		ok = d.elements(value, 0)
	}
	return d.trades, ok && len(d.trades) > 0 && len(d.trades) <= maxTrades
}

// envelopes reads an array of objects that enclose arrays of trades.
func (d *decoder) envelopes(raw []byte) bool {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return false
	}
	for _, el := range all {
		d.tok = [nFields]token{}
		if el[0] != '{' || !d.object(el) {
			d.trades = append(d.trades, trade{fault: "record"})
		}
	}
	return true
}

// object reads a trade, or what encloses the array of them.
func (d *decoder) object(raw []byte) bool {
	list := d.list()
	d.fields(raw, 0, len(list) > 0)
	if list == nil {
		d.trades = append(d.trades, trade{})
		d.judge(&d.trades[0])
		return true
	}
	for i, key := range list {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return false
		}
		raw = members[strings.TrimSuffix(key, "[]")]
		if len(raw) == 0 || i < len(list)-1 && raw[0] != '{' || i == len(list)-1 && raw[0] != '[' {
			return false
		}
	}
	return d.elements(raw, len(list))
}

// elements reads an array whose objects stand below depth keys of the paths.
// What stands outside of the array holds for each of them.
func (d *decoder) elements(raw []byte, depth int) bool {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return false
	}
	shared := d.tok
	for _, el := range all {
		d.tok = shared
		var t trade
		if el[0] == '{' {
			d.fields(el, depth, false)
			d.judge(&t)
		} else {
			t.fault = "record"
		}
		d.trades = append(d.trades, t)
	}
	return true
}

// fields reads the fields whose paths, behind their first depth keys, lead
// through objects. outside leaves out those in the array.
func (d *decoder) fields(raw []byte, depth int, outside bool) {
	for f, path := range d.keys {
		inArray := strings.Contains(strings.Join(path, "."), "[]")
		if len(path) <= depth || depth > 0 && !inArray || outside && inArray {
			continue
		}
		if v, ok := follow(raw, path[depth:]); ok {
			d.tok[f] = tokenOf(v)
		}
	}
}

// follow returns the value behind a path of keys.
func follow(raw json.RawMessage, path []string) (json.RawMessage, bool) {
	for i, key := range path {
		var members map[string]json.RawMessage
		if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &members) != nil {
			return nil, false
		}
		v, ok := members[strings.TrimSuffix(key, "[]")]
		if !ok {
			return nil, false
		}
		if i < len(path)-1 {
			v = bytes.TrimLeft(v, " \t\r\n")
		}
		raw = v
	}
	return raw, true
}

func tokenOf(raw json.RawMessage) token {
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return token{kind: tokenOther}
		}
		return token{[]byte(s), tokenText}
	case 't':
		return token{kind: tokenTrue}
	case 'f':
		return token{kind: tokenFalse}
	case 'n':
		return token{}
	case '{', '[':
		return token{kind: tokenOther}
	}
	return token{raw, tokenNumber}
}
