package verify

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// published is a kline as somebody shows it: the topic, Redis or REST. Numbers
// are text, with or without quotes outside; slices point into what was read.
type published struct {
	sym, itv                         []byte
	t, end                           int64
	o, h, l, c, v, qv, bv, bqv, vwap []byte
	n                                int64
	first, last                      []byte // raw JSON
	final                            bool
	rev, seq                         int64
	q, why                           []byte
	p, o0, o1, wm                    int64
	hasSource                        bool
	ind                              []byte // raw JSON, nil without values
	// record is the offset on klines, so the input offset that caused it.
	record, so int64
	window     *window
	series     *series
}

// parsePublished reads a kline. Unknown keys are passed over.
func parsePublished(value []byte, k *published) error {
	*k = published{}
	c := scanner{b: value}
	if k.members(&c) {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(value, &keys); err != nil {
		return fmt.Errorf("it is no JSON object")
	}
	*k = published{}
	for name, raw := range keys {
		if ok, known := k.set([]byte(name), &scanner{b: raw}); known && !ok {
			return fmt.Errorf("key %q is not what it must be", cut(name))
		}
	}
	return nil
}

// members reads one object in one pass; false for anything unusual.
func (k *published) members(c *scanner) bool {
	if !c.byte('{') {
		return false
	}
	for {
		key, ok := c.string()
		if !ok || !c.byte(':') {
			return false
		}
		if ok, known := k.set(key, c); !ok || !known {
			return false
		}
		if c.byte(',') {
			continue
		}
		return c.byte('}') && c.end()
	}
}

// set takes the value of one key.
func (k *published) set(key []byte, c *scanner) (ok, known bool) {
	switch string(key) {
	case "src":
		return k.source(c), true
	case "ind":
		from := c.i
		ok = c.skip()
		k.ind = c.b[from:c.i]
		return ok, true
	case "f", "L":
		c.space()
		from := c.i
		ok = c.skip()
		if string(key) == "f" {
			k.first = c.b[from:c.i]
		} else {
			k.last = c.b[from:c.i]
		}
		return ok, true
	}
	text, number := k.field(key)
	if text == nil && number == nil && string(key) != "final" {
		if string(key) == "ep" {
			_, ok = c.token()
			return ok, true
		}
		return false, false
	}
	tok, ok := c.token()
	switch {
	case !ok:
		return false, true
	case text != nil:
		*text = tok.text
		return tok.kind == tokenText || tok.kind == tokenNumber, true
	case number != nil:
		*number, ok = integer(tok.text)
		return ok && tok.kind == tokenNumber, true
	}
	k.final = tok.kind == tokenTrue
	return true, true
}

// field is where the value of a key goes.
func (k *published) field(key []byte) (text *[]byte, number *int64) {
	switch string(key) {
	case "sym":
		return &k.sym, nil
	case "itv":
		return &k.itv, nil
	case "t":
		return nil, &k.t
	case "T":
		return nil, &k.end
	case "o":
		return &k.o, nil
	case "h":
		return &k.h, nil
	case "l":
		return &k.l, nil
	case "c":
		return &k.c, nil
	case "v":
		return &k.v, nil
	case "qv":
		return &k.qv, nil
	case "n":
		return nil, &k.n
	case "bv":
		return &k.bv, nil
	case "bqv":
		return &k.bqv, nil
	case "vwap":
		return &k.vwap, nil
	case "rev":
		return nil, &k.rev
	case "seq":
		return nil, &k.seq
	case "q":
		return &k.q, nil
	case "why":
		return &k.why, nil
	case "wm":
		return nil, &k.wm
	}
	return nil, nil
}

func (k *published) source(c *scanner) bool {
	if !c.byte('{') {
		return false
	}
	k.hasSource = true
	for {
		key, ok := c.string()
		if !ok || !c.byte(':') {
			return false
		}
		tok, ok := c.token()
		if !ok {
			return false
		}
		var to *int64
		switch string(key) {
		case "p":
			to = &k.p
		case "o0":
			to = &k.o0
		case "o1":
			to = &k.o1
		default:
			return false
		}
		if *to, ok = integer(tok.text); !ok {
			return false
		}
		if !c.byte(',') {
			return c.byte('}')
		}
	}
}

// skip steps over any value; nesting is counted, strings may have escapes.
func (c *scanner) skip() bool {
	c.space()
	depth := 0
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case '"':
			if !c.skipString() {
				return false
			}
			if depth == 0 {
				return true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return true // the end of what encloses the value
			}
			if depth--; depth == 0 {
				c.i++
				return true
			}
		case ',':
			if depth == 0 {
				return true
			}
		}
		c.i++
	}
	return depth == 0
}

func (c *scanner) skipString() bool {
	for c.i++; c.i < len(c.b); c.i++ {
		switch c.b[c.i] {
		case '\\':
			c.i++
		case '"':
			c.i++
			return true
		}
	}
	return false
}

// appendJSON appends s as a JSON string.
func appendJSON(dst []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		c := s[i]
		plain = plain && c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	if plain {
		return append(append(append(dst, '"'), s...), '"')
	}
	b, err := json.Marshal(s)
	if err != nil {
		return strconv.AppendQuote(dst, s) // a string always encodes
	}
	return append(dst, b...)
}
