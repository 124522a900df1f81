package wasmhost

import (
	"errors"
	"fmt"
)

// Resolve reads an indicator expression and asks its module about it. Numbers
// may be given by position, in the order of the manifest, and every parameter
// by name; what is left out has its default. The canonical form, Instance.Name,
// has all numbers by position and other parameters by name where they are not
// the default:
//
//	macd                  -> macd(12,26,9)
//	macd(slow=30)         -> macd(12,30,9)
//	bbands(20,2,ma=ema)   -> bbands(20,2,ma=ema)
//	sma(20,src=hl2)       -> sma(20,src=hl2)
//	obv()                 -> obv
//
// A name without "module/" belongs to the module that was loaded first. Errors
// are fit to be shown to whoever wrote the expression.
func (h *Host) Resolve(expr string) (*Instance, error) {
	inst, err := h.resolve(expr)
	if err != nil {
		return nil, fmt.Errorf("reading indicator %s: %w", quoted(expr), err)
	}
	inst.Warmup, inst.StateSize, err = h.measureMinutes(inst)
	if err != nil {
		return nil, fmt.Errorf("reading indicator %s: %w", quoted(expr), err)
	}
	return inst, nil
}

// measureMinutes is Measure on bars of one minute.
func (h *Host) measureMinutes(inst *Instance) (int64, int, error) {
	return h.Measure(inst, Series{IntervalMS: 60_000})
}

func (h *Host) resolve(expr string) (*Instance, error) {
	e, err := parseExpression(expr)
	if err != nil {
		return nil, err
	}
	modules := h.Modules()
	if len(modules) == 0 {
		return nil, errors.New("no indicator module is loaded")
	}
	m, err := findModule(modules, e.module)
	if err != nil {
		return nil, err
	}
	ind := m.Manifest.Indicator(e.name)
	if ind == nil {
		return nil, unknownIndicator(modules, m, e.name)
	}
	inst, err := bindInstance(m, ind, e)
	if err != nil {
		return nil, err
	}
	if m != modules[0] {
		inst.Name = m.Name + "/" + inst.Name
	}
	return inst, nil
}

// bindInstance gives every parameter its value.
func bindInstance(m *Module, ind *Indicator, e expression) (*Instance, error) {
	b := newBinding(ind)
	for _, a := range e.args {
		if err := b.bind(a); err != nil {
			return nil, fmt.Errorf("%s: %w", ind.Name, err)
		}
	}
	name := b.canonical()
	if n := len(m.Name) + 1 + len(name); n > maxExpression {
		return nil, fmt.Errorf("%s: written out it has %d characters, allowed are %d", ind.Name, n, maxExpression)
	}
	return &Instance{
		Name:          name,
		Module:        m,
		Indicator:     ind,
		Params:        b.values,
		Source:        b.source,
		Outputs:       ind.OutputNames(),
		HasDegenerate: ind.HasDegenerate(),
		Ver:           m.Ver(),
	}, nil
}

func findModule(modules []*Module, name string) (*Module, error) {
	if name == "" {
		return modules[0], nil
	}
	var names []string
	for _, m := range modules {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("unknown module %s%s", quoted(name), suggest(name, names, "loaded"))
}

// unknownIndicator looks for what was meant, also in other modules.
func unknownIndicator(modules []*Module, m *Module, name string) error {
	var names []string
	for _, ind := range m.Manifest.Indicators {
		names = append(names, ind.Name)
	}
	for _, other := range modules {
		if other != m && other.Manifest.Indicator(name) != nil {
			return fmt.Errorf("module %s has no indicator %s (did you mean %q?)", m.Name, quoted(name), other.Name+"/"+name)
		}
	}
	return fmt.Errorf("unknown indicator %s%s", quoted(name), suggest(name, names, "known"))
}
