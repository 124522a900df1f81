package wasmhost

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// binding collects the arguments of one indicator.
type binding struct {
	ind    *Indicator
	values []float64
	given  []bool
	named  bool // a named argument was seen
	source Price
	hasSrc bool
}

func newBinding(ind *Indicator) *binding {
	b := &binding{ind: ind, given: make([]bool, len(ind.Params))}
	for _, p := range ind.Params {
		b.values = append(b.values, unsigned(p.Default))
	}
	return b
}

func (b *binding) bind(a argument) error {
	if a.name == "" {
		return b.position(a.value)
	}
	b.named = true
	if a.name == sourceArg && b.ind.Input == "src" {
		return b.bindSource(a.value)
	}
	i := b.ind.param(a.name)
	if i < 0 {
		if a.name == sourceArg {
			return fmt.Errorf("it reads whole bars and takes no src (parameters: %s)", b.paramList())
		}
		return fmt.Errorf("unknown parameter %s%s", quoted(a.name), suggest(a.name, b.paramNames(), "parameters"))
	}
	return b.set(i, a.value)
}

// position gives a value to the next parameter of its sort that has none: a
// number to a number, a word to a choice. The canonical form leaves choices
// out, and its numbers must still find their places.
func (b *binding) position(value string) error {
	if b.named {
		return fmt.Errorf("value %s without a name follows a named one", quoted(value))
	}
	_, err := strconv.ParseFloat(value, 64)
	number := err == nil || looksNumeric(value)
	count := 0
	for i := range b.ind.Params {
		if b.ind.Params[i].Numeric() != number {
			continue
		}
		count++
		if !b.given[i] {
			return b.set(i, value)
		}
	}
	if number {
		plural := "s"
		if count == 1 {
			plural = ""
		}
		return fmt.Errorf("value %s is too many: it takes %d number%s (parameters: %s)", quoted(value), count, plural, b.paramList())
	}
	if strings.Contains(value, "(") || isPrice(value) {
		return fmt.Errorf("value %s has no place (parameters: %s); an input price is written src=%s", quoted(value), b.paramList(), Close)
	}
	return fmt.Errorf("value %s has no place (parameters: %s)", quoted(value), b.paramList())
}

func isPrice(s string) bool { _, ok := ParsePrice(s); return ok }

// looksNumeric is for words such as 1O or 5m, which are bad numbers and no
// choice of anything.
func looksNumeric(s string) bool { return digit(s[0]) || s[0] == '-' || s[0] == '+' || s[0] == '.' }

func (b *binding) bindSource(value string) error {
	if b.hasSrc {
		return errors.New("src is given twice")
	}
	p, ok := ParsePrice(value)
	if !ok {
		return fmt.Errorf("src is %s, allowed are prices: %s", quoted(value), priceList())
	}
	b.source, b.hasSrc = p, true
	return nil
}

func (b *binding) set(i int, value string) error {
	p := &b.ind.Params[i]
	if b.given[i] {
		return fmt.Errorf("%s is given twice", p.Name)
	}
	v, err := p.parse(value)
	if err != nil {
		return err
	}
	b.given[i], b.values[i] = true, v
	return nil
}

// parse reads a value of the parameter and holds it against its limits.
func (p *Param) parse(value string) (float64, error) {
	switch p.Type {
	case "bool":
		switch value {
		case "true", "1":
			return 1, nil
		case "false", "0":
			return 0, nil
		}
		return 0, fmt.Errorf("%s is %s, allowed are true and false", p.Name, quoted(value))
	case "enum":
		if i := slices.Index(p.Options, value); i >= 0 {
			return float64(i), nil
		}
		return 0, fmt.Errorf("%s is %s%s", p.Name, quoted(value), suggest(value, p.Options, "allowed"))
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(value, "xX_") {
		return 0, fmt.Errorf("%s is %s, which is no number%s", p.Name, quoted(value), p.limits())
	}
	if p.Type == "int" && v != math.Trunc(v) {
		return 0, fmt.Errorf("%s is %s, allowed are whole numbers%s", p.Name, quoted(value), p.limits())
	}
	if (p.Min != nil && v < *p.Min) || (p.Max != nil && v > *p.Max) {
		return 0, fmt.Errorf("%s is %s%s", p.Name, quoted(value), p.limits())
	}
	return unsigned(v), nil
}

// limits says what is allowed, as the end of a sentence.
func (p *Param) limits() string {
	switch {
	case p.Min != nil && p.Max != nil:
		return fmt.Sprintf(" (allowed: %s to %s)", number(*p.Min), number(*p.Max))
	case p.Min != nil:
		return fmt.Sprintf(" (allowed: from %s)", number(*p.Min))
	case p.Max != nil:
		return fmt.Sprintf(" (allowed: up to %s)", number(*p.Max))
	}
	return ""
}

// canonical writes the one spelling of what was bound.
func (b *binding) canonical() string {
	var args []string
	for i, p := range b.ind.Params {
		if p.Numeric() {
			args = append(args, number(b.values[i]))
		}
	}
	for i, p := range b.ind.Params {
		if p.Numeric() || b.values[i] == p.Default {
			continue
		}
		args = append(args, p.Name+"="+p.text(b.values[i]))
	}
	if b.source != Close {
		args = append(args, sourceArg+"="+b.source.String())
	}
	if len(args) == 0 {
		return b.ind.Name
	}
	return b.ind.Name + "(" + strings.Join(args, ",") + ")"
}

func (b *binding) paramNames() []string {
	var names []string
	for _, p := range b.ind.Params {
		names = append(names, p.Name)
	}
	if b.ind.Input == "src" {
		names = append(names, sourceArg)
	}
	return names
}

func (b *binding) paramList() string {
	names := b.paramNames()
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// number writes a parameter value: plain digits as far as they stay short.
func number(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e15) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
