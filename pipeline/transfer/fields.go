package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// maxFields bounds the columns of a row.
const maxFields = 256

// Faults of a row that is no row.
var (
	errQuote  = errors.New("a quoted field has no end on its line")
	errBehind = errors.New("something follows the closing quote of a field")
	errMany   = errors.New("more than 256 columns")
	errUTF8   = errors.New("it is not UTF-8")
	errFlat   = errors.New("it is no flat JSON array of numbers and texts")
)

// cutter cuts rows into fields. Its results are valid until the next row.
type cutter struct {
	comma  byte
	fields [][]byte
	quoted []byte // texts without their quotes
}

// csv cuts a line as RFC 4180 has it, but for line feeds in fields: a quote that
// is never closed must not swallow the rest of a file.
func (c *cutter) csv(line []byte) ([][]byte, error) {
	c.fields, c.quoted = c.fields[:0], c.quoted[:0]
	if !utf8.Valid(line) {
		return nil, errUTF8
	}
	for {
		if len(c.fields) == maxFields {
			return nil, errMany
		}
		trimmed := bytes.TrimLeft(line, " ")
		if len(trimmed) == 0 || trimmed[0] != '"' {
			end := bytes.IndexByte(line, c.comma)
			if end < 0 {
				c.fields = append(c.fields, bytes.TrimSpace(line))
				return c.fields, nil
			}
			c.fields = append(c.fields, bytes.TrimSpace(line[:end]))
			line = line[end+1:]
			continue
		}
		text, rest, err := c.unquote(trimmed[1:])
		if err != nil {
			return nil, err
		}
		c.fields = append(c.fields, text)
		rest = bytes.TrimLeft(rest, " ")
		if len(rest) == 0 {
			return c.fields, nil
		}
		if rest[0] != c.comma {
			return nil, errBehind
		}
		line = rest[1:]
	}
}

// unquote reads up to the closing quote; two stand for one.
func (c *cutter) unquote(b []byte) (text, rest []byte, err error) {
	start := len(c.quoted)
	for {
		end := bytes.IndexByte(b, '"')
		if end < 0 {
			return nil, nil, errQuote
		}
		c.quoted = append(c.quoted, b[:end]...)
		b = b[end+1:]
		if len(b) == 0 || b[0] != '"' {
			return c.quoted[start:len(c.quoted):len(c.quoted)], b, nil
		}
		c.quoted = append(c.quoted, '"')
		b = b[1:]
	}
}

// array cuts a JSON array of numbers, texts, booleans and nulls.
func (c *cutter) array(row []byte) ([][]byte, error) {
	c.fields, c.quoted = c.fields[:0], c.quoted[:0]
	var list []json.RawMessage
	if err := json.Unmarshal(row, &list); err != nil {
		return nil, errFlat
	}
	if len(list) > maxFields {
		return nil, errMany
	}
	for _, raw := range list {
		switch {
		case string(raw) == "null":
			c.fields = append(c.fields, nil)
		case raw[0] == '"':
			var text string
			if json.Unmarshal(raw, &text) != nil {
				return nil, errFlat
			}
			c.fields = append(c.fields, []byte(text))
		case raw[0] == '[' || raw[0] == '{':
			return nil, errFlat
		default:
			c.fields = append(c.fields, raw)
		}
	}
	return c.fields, nil
}
