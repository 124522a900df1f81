package wasmhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	maxManifest    = 64 << 10
	maxJSONDepth   = 8
	maxText        = 128
	maxDescription = 1000
)

// jsonNode is a JSON value without the freedoms of encoding/json: no duplicate
// keys, no invalid UTF-8, no infinite numbers, bounded depth and strings.
type jsonNode struct {
	kind    byte // 'o' object, 'a' array, 's' string, 'n' number, 'b' bool, '0' null
	str     string
	num     float64
	items   []jsonNode
	members map[string]jsonNode
	keys    []string // in the order of the text, so that errors name the first problem
}

// parseStrict reads one JSON document. The scanner of encoding/json keeps no
// call stack per level, so a million brackets end here as a text, not as a
// stack overflow.
func parseStrict(b []byte) (jsonNode, error) {
	if len(b) > maxManifest {
		return jsonNode{}, fmt.Errorf("%d bytes, allowed are %d", len(b), maxManifest)
	}
	if !utf8.Valid(b) {
		return jsonNode{}, errors.New("not UTF-8")
	}
	if err := validJSON(b); err != nil {
		return jsonNode{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return parseValue(dec, 0, "")
}

// validJSON says where a text ends to be JSON.
func validJSON(b []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(b, &raw)
	if err == nil {
		return nil
	}
	at := len(b)
	if bad := new(json.SyntaxError); errors.As(err, &bad) {
		at = min(int(bad.Offset), len(b))
	}
	read := b[:at]
	line := bytes.Count(read, []byte{'\n'}) + 1
	column := utf8.RuneCount(read[bytes.LastIndexByte(read, '\n')+1:])
	return fmt.Errorf("not JSON: line %d, character %d: %w", line, column, err)
}

func parseValue(dec *json.Decoder, depth int, key string) (jsonNode, error) {
	tok, err := dec.Token()
	if err != nil {
		return jsonNode{}, fmt.Errorf("reading JSON: %w", err)
	}
	switch t := tok.(type) {
	case json.Delim:
		if depth++; depth > maxJSONDepth {
			return jsonNode{}, fmt.Errorf("nested deeper than %d", maxJSONDepth)
		}
		if t == '{' {
			return parseObject(dec, depth)
		}
		return parseArray(dec, depth, key)
	case string:
		return jsonNode{kind: 's', str: t}, checkText(t, key)
	case json.Number:
		f, err := strconv.ParseFloat(t.String(), 64)
		if err != nil || math.IsInf(f, 0) {
			return jsonNode{}, fmt.Errorf("number %s is out of range", quoted(t.String()))
		}
		return jsonNode{kind: 'n', num: f}, nil
	case bool:
		return jsonNode{kind: 'b'}, nil
	}
	return jsonNode{kind: '0'}, nil
}

func parseObject(dec *json.Decoder, depth int) (jsonNode, error) {
	n := jsonNode{kind: 'o', members: map[string]jsonNode{}}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return n, fmt.Errorf("reading JSON: %w", err)
		}
		key, _ := tok.(string)
		if err := checkText(key, ""); err != nil {
			return n, err
		}
		if _, twice := n.members[key]; twice {
			return n, fmt.Errorf("key %s occurs twice in one object", quoted(key))
		}
		v, err := parseValue(dec, depth, key)
		if err != nil {
			return n, err
		}
		n.members[key] = v
		n.keys = append(n.keys, key)
	}
	_, err := dec.Token()
	return n, err
}

func parseArray(dec *json.Decoder, depth int, key string) (jsonNode, error) {
	n := jsonNode{kind: 'a'}
	for dec.More() {
		v, err := parseValue(dec, depth, key)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, v)
	}
	_, err := dec.Token()
	return n, err
}

// checkText refuses strings that are too long or that can change how the text
// around them is shown. U+FFFD is what the decoder makes of half a surrogate.
func checkText(s, key string) error {
	limit := maxText
	if key == "description" {
		limit = maxDescription
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fmt.Errorf("string %s has %d characters, allowed are %d", quoted(s), n, limit)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
			return fmt.Errorf("string %s contains %U: control characters and bidirectional overrides are not allowed", quoted(s), r)
		}
	}
	return nil
}

// quoted shows foreign text in an error: escaped and cut.
func quoted(s string) string {
	const limit = 64
	if len(s) <= limit {
		return strconv.Quote(s)
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}
