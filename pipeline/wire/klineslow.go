package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"
)

// members are the keys of one JSON object. The first fault is kept, so that a
// reader of many keys checks once.
type members struct {
	keys map[string]json.RawMessage
	err  error
}

func parseMembers(what string, value []byte) members {
	m := members{}
	if !utf8.Valid(value) {
		m.err = fmt.Errorf("decoding %s: not UTF-8", what)
		return m
	}
	if err := json.Unmarshal(value, &m.keys); err != nil || m.keys == nil {
		// Not %w: the text of encoding/json quotes the record's content.
		m.err = fmt.Errorf("decoding %s: not a JSON object", what)
	}
	return m
}

func (m *members) fail(key, want string) {
	if m.err == nil {
		m.err = fmt.Errorf("decoding record: key %q is missing or not %s", key, want)
	}
}

func (m *members) text(key string) string {
	var s *string
	if v, found := m.keys[key]; !found || json.Unmarshal(v, &s) != nil || s == nil {
		m.fail(key, "a string")
		return ""
	}
	return *s
}

func (m *members) int(key string, lowest, highest int64) int64 {
	n, ok := canonicalInt(m.keys[key])
	if !ok || n < lowest || n > highest {
		m.fail(key, "an integer in its range")
	}
	return n
}

func (m *members) bool(key string) bool {
	switch string(m.keys[key]) {
	case "true":
		return true
	case "false":
	default:
		m.fail(key, "a boolean")
	}
	return false
}

// decimal returns the number inside a JSON string.
func (m *members) decimal(key string) []byte {
	s := []byte(m.text(key))
	if end, ok := scanNumber(s, 0); !ok || end != len(s) {
		m.fail(key, "a decimal in a string")
	}
	return s
}

func (m *members) id(key string) []byte {
	v := m.keys[key]
	if len(v) > 0 && v[0] == '"' {
		// Written anew: an id of a foreign writer may hold what a page must not see.
		return appendText(nil, m.text(key))
	}
	if _, ok := canonicalInt(v); !ok {
		m.fail(key, "an integer or a string")
	}
	return v
}

// numbers reads an array of numbers and nulls.
func (m *members) numbers(key string) [][]byte {
	var raw []json.RawMessage
	if v, found := m.keys[key]; !found || json.Unmarshal(v, &raw) != nil || raw == nil {
		m.fail(key, "an array of numbers")
		return nil
	}
	out := make([][]byte, 0, len(raw))
	for _, v := range raw {
		end, ok := scanNumber(v, 0)
		switch {
		case string(v) == "null":
			out = append(out, nil)
		case ok && end == len(v):
			out = append(out, v)
		default:
			m.fail(key, "an array of numbers")
		}
	}
	return out
}

// decodeKlineSlow reads a kline that somebody else wrote: other key order,
// white space, escapes, further keys.
func decodeKlineSlow(value []byte, r *KlineRecord) error {
	m := parseMembers("kline", value)
	if m.err != nil {
		return m.err
	}
	const lo, hi = math.MinInt64, math.MaxInt64
	*r = KlineRecord{
		Sym: m.text("sym"), Itv: m.text("itv"),
		T: m.int("t", lo, hi), CloseT: m.int("T", lo, hi),
		O: m.decimal("o"), H: m.decimal("h"), L: m.decimal("l"), C: m.decimal("c"),
		V: m.decimal("v"), QV: m.decimal("qv"), BV: m.decimal("bv"), BQV: m.decimal("bqv"),
		VWAP: m.decimal("vwap"), N: m.int("n", lo, hi),
		FirstID: m.id("f"), LastID: m.id("L"),
		Final: m.bool("final"), Rev: int32(m.int("rev", math.MinInt32, math.MaxInt32)),
		Seq: m.int("seq", lo, hi), Q: m.text("q"),
		WM: m.int("wm", lo, hi), EP: int32(m.int("ep", math.MinInt32, math.MaxInt32)),
	}
	if _, found := m.keys["why"]; found {
		r.Why = m.text("why")
	}
	if m.err != nil {
		return m.err
	}
	return r.slowNested(&m)
}

// slowNested reads the objects inside a kline.
func (r *KlineRecord) slowNested(m *members) error {
	src := parseMembers("src of a kline", m.keys["src"])
	r.P = int32(src.int("p", math.MinInt32, math.MaxInt32))
	r.O0, r.O1 = src.int("o0", math.MinInt64, math.MaxInt64), src.int("o1", math.MinInt64, math.MaxInt64)
	if src.err != nil {
		return src.err
	}
	raw, found := m.keys["ind"]
	if !found {
		return nil
	}
	if len(bytes.TrimSpace(raw)) == 0 || raw[0] != '{' {
		return fmt.Errorf("decoding kline: key %q is not an object", "ind")
	}
	return r.slowValues(raw)
}

// slowValues keeps the order of the instances, which a Go map would lose.
func (r *KlineRecord) slowValues(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("decoding values of a kline: %w", err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fmt.Errorf("decoding values of a kline: %w", err)
		}
		var body json.RawMessage
		if err := dec.Decode(&body); err != nil {
			return fmt.Errorf("decoding values of a kline: %w", err)
		}
		m := parseMembers("a value of a kline", body)
		v := IndRecord{
			Name: name.(string), //nolint:forcetypeassert // a key of a JSON object
			V:    m.numbers("v"), N: m.int("n", math.MinInt64, math.MaxInt64),
			Flags: uint8(m.int("fl", 0, math.MaxUint8)),
			Seq:   m.int("seq", math.MinInt64, math.MaxInt64), Ver: m.text("ver"),
		}
		if m.err != nil {
			return m.err
		}
		r.Ind = append(r.Ind, v)
	}
	return nil
}
