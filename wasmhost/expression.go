package wasmhost

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxExpression bounds what a client may send: the longest canonical form
	// of a built-in has about 60 bytes.
	maxExpression = 512

	// sourceArg is the name of the argument that chooses the input price.
	sourceArg = "src"
)

// expression is an indicator as written, without knowledge of any manifest:
//
//	[module "/"] name ["(" [arg *("," arg)] ")"]
//	arg = [param "="] value
type expression struct {
	module string // empty: not given
	name   string
	args   []argument
}

// argument is one value with the name it was given, if any.
type argument struct {
	name  string
	value string
}

// parseExpression splits an expression at its commas and parentheses. A value
// keeps the parentheses inside it, so that rsi(src=ema(20)) can be answered
// with words about src and not about brackets.
func parseExpression(s string) (expression, error) {
	var e expression
	if len(s) > maxExpression {
		return e, fmt.Errorf("%d characters, allowed are %d", len(s), maxExpression)
	}
	head, list, hasArgs := strings.Cut(s, "(")
	e.name = trim(head)
	if module, name, ok := strings.Cut(e.name, "/"); ok {
		e.module, e.name = trim(module), trim(name)
		if !isModuleName(e.module) {
			return e, fmt.Errorf("%s is no module name (a-z, 0-9 and -)", quoted(e.module))
		}
	}
	if !isIdent(e.name) {
		return e, fmt.Errorf("%s is no indicator name (a-z, 0-9 and _)", quoted(e.name))
	}
	if !hasArgs {
		return e, nil
	}
	list, ok := strings.CutSuffix(trim(list), ")")
	if !ok {
		return e, errors.New("it does not end with a closing parenthesis")
	}
	values, err := splitArgs(list)
	if err != nil {
		return e, err
	}
	for i, v := range values {
		a, err := parseArgument(v)
		if err != nil {
			return e, fmt.Errorf("argument %d: %w", i+1, err)
		}
		e.args = append(e.args, a)
	}
	return e, nil
}

// splitArgs splits at commas outside of parentheses.
func splitArgs(list string) ([]string, error) {
	if trim(list) == "" {
		return nil, nil
	}
	var values []string
	depth, from := 0, 0
	for i := range len(list) {
		switch list[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth < 0 {
				return nil, errors.New("there is a closing parenthesis too many")
			}
		case ',':
			if depth == 0 {
				values = append(values, list[from:i])
				from = i + 1
			}
		}
	}
	if depth != 0 {
		return nil, errors.New("a parenthesis is not closed")
	}
	return append(values, list[from:]), nil
}

func parseArgument(s string) (argument, error) {
	s = trim(s)
	name, value, named := strings.Cut(s, "=")
	if !named || strings.Contains(name, "(") {
		name, value = "", s
	} else if name = trim(name); !isIdent(name) {
		return argument{}, fmt.Errorf("%s is no parameter name", quoted(name))
	}
	if value = trim(value); value == "" {
		return argument{}, errors.New("the value is missing")
	}
	return argument{name, value}, nil
}

func trim(s string) string { return strings.Trim(s, " ") }
