package wire

import (
	"bytes"
	"encoding/json"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// fallback reads a record with encoding/json. It is thirty times slower than
// the hand parsers and decides whatever they leave open.
func (d *Decoder) fallback(value []byte, dst []core.Trade) ([]core.Trade, error) {
	n := len(dst)
	value = bytes.Trim(value, " \t\r\n")
	if !json.Valid(value) {
		return dst, reject(core.ReasonDecode, "")
	}
	var err error
	out := dst
	switch {
	case value[0] == '{':
		out, err = d.slowRecord(value, dst)
	case value[0] == '[' && d.inner != nil:
		out, err = d.slowEnvelopes(value, dst)
	case value[0] == '[':
		d.reset()
		out, err = d.slowElements(value, d.root, dst)
	default:
		err = reject(core.ReasonDecode, "")
	}
	if err == nil {
		err = checkCount(len(out) - n)
	}
	if err != nil {
		return dst[:n], err
	}
	return out, nil
}

func (d *Decoder) slowRecord(raw []byte, dst []core.Trade) ([]core.Trade, error) {
	d.reset()
	if err := d.slowObject(raw, d.root); err != nil {
		return dst, err
	}
	if d.inner == nil {
		dst = grow(dst)
		d.judge(&dst[len(dst)-1])
		return dst, nil
	}
	if d.list == nil {
		return dst, reject(core.ReasonDecode, d.inner.path)
	}
	return d.slowElements(d.list, d.inner.child, dst)
}

func (d *Decoder) slowEnvelopes(raw []byte, dst []core.Trade) ([]core.Trade, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return dst, reject(core.ReasonDecode, "")
	}
	for _, el := range list {
		if el[0] != '{' {
			dst = append(dst, core.Trade{Reject: core.ReasonDecode})
			continue
		}
		var err error
		if dst, err = d.slowRecord(el, dst); err != nil {
			dst = append(dst, d.noList())
		}
	}
	return dst, nil
}

func (d *Decoder) slowElements(raw []byte, n *node, dst []core.Trade) ([]core.Trade, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return dst, reject(core.ReasonDecode, "")
	}
	shared := d.tok
	for _, el := range list {
		d.tok = shared
		isObject := el[0] == '{'
		if isObject {
			if err := d.slowObject(el, n); err != nil {
				return dst, err
			}
		}
		dst = grow(dst)
		d.element(&dst[len(dst)-1], isObject)
	}
	return dst, nil
}

func (d *Decoder) slowObject(raw []byte, n *node) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return reject(core.ReasonDecode, "")
	}
	for i := range n.edges {
		e := &n.edges[i]
		v, found := keys[e.name]
		switch {
		case !found:
		case e.child == nil:
			d.tok[e.field] = slowToken(v)
		case e.array && v[0] == '[':
			d.list = v
		case !e.array && v[0] == '{':
			if err := d.slowObject(v, e.child); err != nil {
				return err
			}
		}
	}
	return nil
}

func slowToken(v json.RawMessage) token {
	switch v[0] {
	case '"':
		var s string
		if json.Unmarshal(v, &s) != nil {
			return token{kind: tokenOther}
		}
		return token{text: []byte(s), kind: tokenString}
	case 't':
		return token{kind: tokenTrue}
	case 'f':
		return token{kind: tokenFalse}
	case 'n':
		return token{}
	case '{', '[':
		return token{kind: tokenOther}
	}
	return token{text: v, kind: tokenNumber}
}
