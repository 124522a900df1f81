package wasmhost

import "fmt"

// Choice is an indicator of a manifest with all parameters chosen, without a
// module behind it: nobody has asked the code whether it accepts them.
type Choice struct {
	Name      string // canonical form, without a module
	Indicator *Indicator
	Params    []float64 // in manifest order
	Source    Price     // used only if the indicator reads one price
}

// Choose reads an expression such as sma(20,src=hl2), as [Host.Resolve] does.
// A module before a slash must be the one of the manifest.
func (m *Manifest) Choose(expr string) (*Choice, error) {
	c, err := m.choose(expr)
	if err != nil {
		return nil, fmt.Errorf("reading indicator %s: %w", quoted(expr), err)
	}
	return c, nil
}

func (m *Manifest) choose(expr string) (*Choice, error) {
	e, err := parseExpression(expr)
	if err != nil {
		return nil, err
	}
	if e.module != "" && e.module != m.Name {
		return nil, fmt.Errorf("the module is %s", quoted(m.Name))
	}
	ind := m.Indicator(e.name)
	if ind == nil {
		var names []string
		for _, ind := range m.Indicators {
			names = append(names, ind.Name)
		}
		return nil, fmt.Errorf("unknown indicator %s%s", quoted(e.name), suggest(e.name, names, "known"))
	}
	b := newBinding(ind)
	for _, a := range e.args {
		if err := b.bind(a); err != nil {
			return nil, fmt.Errorf("%s: %w", ind.Name, err)
		}
	}
	return &Choice{Name: b.canonical(), Indicator: ind, Params: b.values, Source: b.source}, nil
}

// Text is a value of the parameter as expressions write it.
func (p *Param) Text(value float64) string {
	if p.Type == "enum" && !(value >= 0 && value < float64(len(p.Options))) {
		return number(value)
	}
	return p.text(value)
}
