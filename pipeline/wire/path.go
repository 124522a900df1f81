package wire

import (
	"fmt"
	"strings"
)

// Path is the place of a value in a JSON object: the keys from the outside in.
// A key that ends in [] holds an array of objects, each of which is one trade.
type Path []string

// maxPathKeys bounds how deep a mapped value may lie. NumFields x 6 keys still
// fit the 64 bits in which the parser marks the keys it has seen.
const maxPathKeys = 6

// ParsePath reads keys joined by dots: `p`, `data.price`, `data[].px`.
func ParsePath(text string) (Path, error) {
	if text == "" {
		return nil, fmt.Errorf("parsing field path: it is empty (expected a key such as %q or %q)", "p", "data.price")
	}
	p := Path(strings.Split(text, "."))
	if len(p) > maxPathKeys {
		return nil, fmt.Errorf("parsing field path %q: %d keys are too many (at most %d)", cut(text), len(p), maxPathKeys)
	}
	for i, key := range p {
		if err := checkKey(key, i == len(p)-1); err != nil {
			return nil, fmt.Errorf("parsing field path %q: %w", cut(text), err)
		}
	}
	if strings.Count(text, arrayMark) > 1 {
		return nil, fmt.Errorf("parsing field path %q: only one key may end in []", cut(text))
	}
	return p, nil
}

// arrayMark ends the key whose value is the array of trades.
const arrayMark = "[]"

func checkKey(key string, last bool) error {
	name := strings.TrimSuffix(key, arrayMark)
	switch {
	case name == "":
		return fmt.Errorf("a key is empty (keys are joined by single dots)")
	case last && name != key:
		return fmt.Errorf("it ends at the array of trades (name the key inside, as in %q)", key+".price")
	}
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '[' || c == ']' {
			return fmt.Errorf("key %q holds a character that is not allowed (printable ASCII without quotes, brackets, backslash and space)", cut(name))
		}
	}
	return nil
}

// String joins the keys by dots.
func (p Path) String() string { return strings.Join(p, ".") }

// cut bounds foreign text in an error.
func cut(s string) string {
	const limit = 64
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "..."
}
