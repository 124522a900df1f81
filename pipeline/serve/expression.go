package serve

import "strings"

// maxDepth is how deep src= may nest.
const maxDepth = 4

// expression is one indicator as a request writes it:
//
//	[module "/"] name ["(" arg *("," arg) ")"]    arg = [param "="] value
type expression struct {
	text         string
	module, name string
	positional   []string
	named        map[string]string
}

// parseExpression reads one indicator. The reason is a sentence for the client.
func parseExpression(s string) (e expression, reason string) {
	e.text = s
	if several, ok := splitTop(s); ok && len(several) > 1 {
		return e, quote(s) + " are several indicators, this takes one"
	}
	head, args, open := strings.Cut(s, "(")
	if open {
		if !strings.HasSuffix(args, ")") {
			return e, "a parenthesis of " + quote(s) + " is not closed"
		}
		args = args[:len(args)-1]
	}
	if module, name, ok := strings.Cut(head, "/"); ok {
		if !word(module, '-') {
			return e, quote(module) + " is not a module name"
		}
		e.module, head = module, name
	}
	if !word(head, '_') {
		return e, quote(head) + " is not an indicator name: lower-case letters, digits and _ are"
	}
	e.name = head
	if args == "" { // also macd()
		return e, ""
	}
	parts, ok := splitTop(args)
	if !ok || depth(args) >= maxDepth {
		return e, "the parentheses of " + quote(s) + " do not match or nest deeper than 4"
	}
	return e, e.arguments(parts)
}

func (e *expression) arguments(parts []string) string {
	for _, p := range parts {
		name, value, ok := strings.Cut(p, "=")
		if paren := strings.IndexByte(p, '('); ok && paren >= 0 && paren < len(name) {
			ok = false
		}
		switch {
		case !ok && p != "" && len(e.named) == 0:
			e.positional = append(e.positional, p)
		case !ok:
			return "in " + quote(e.text) + " a value without a name is empty or follows a named one"
		case !word(name, '_') || value == "":
			return "in " + quote(e.text) + " the argument " + quote(p) + " is not name=value"
		default:
			if _, twice := e.named[name]; twice {
				return "in " + quote(e.text) + " the parameter " + name + " is given twice"
			}
			if e.named == nil {
				e.named = map[string]string{}
			}
			e.named[name] = value
		}
	}
	return ""
}

// word tells whether s is a lower-case name whose other sign is extra.
func word(s string, extra byte) bool {
	if s == "" || len(s) > 41 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != extra {
			return false
		}
	}
	return true
}

// splitTop cuts s at the commas outside parentheses.
func splitTop(s string) (parts []string, ok bool) {
	level, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			level++
		case ')':
			if level--; level < 0 {
				return nil, false
			}
		case ',':
			if level == 0 {
				parts = append(parts, s[start:i])
				start = i + 1
			}
		}
	}
	return append(parts, s[start:]), level == 0
}

func depth(s string) int {
	level, most := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			level++
			most = max(most, level)
		case ')':
			level--
		}
	}
	return most
}
