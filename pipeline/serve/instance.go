package serve

import (
	"slices"
	"strconv"
	"strings"
)

// InstanceMeta describes one configured indicator instance.
type InstanceMeta struct {
	// Name is the canonical expression, for example "macd(12,26,9)".
	Name string
	// Outputs are the names of the values, in the order of every record.
	Outputs []string
	// Module, Version (8 hex digits) and Profile say what computes it.
	Module, Version, Profile string
	// Warmup is the number of bars after which a value counts as stable.
	Warmup int64
	// Params are the parameters in manifest order. With them a request may
	// name parameters and leave out defaults; without them it has to use the
	// canonical expression.
	Params []Param
}

// Param is one parameter of an instance.
type Param struct {
	Name string
	// Value is what the instance was configured with, Default what the
	// manifest says, both as text.
	Value, Default string
	// Numeric parameters may be given by position.
	Numeric bool
}

// resolve returns the number of the configured instance that e means.
func (h *Hub) resolve(e *expression) (int, bool) {
	if i, ok := h.instances[e.text]; ok {
		return i, true
	}
	for i := range h.cfg.Instances {
		if h.cfg.Instances[i].matches(e) {
			return i, true
		}
	}
	return 0, false
}

// matches compares name, module and every parameter with what e says, defaults
// filled in.
func (m *InstanceMeta) matches(e *expression) bool {
	own := m.Name
	if i := strings.IndexByte(own, '('); i >= 0 {
		own = own[:i]
	}
	bare := own[strings.LastIndexByte(own, '/')+1:]
	if e.name != bare || e.module != "" && e.module != m.Module || e.module == "" && own != bare {
		return false
	}
	if len(m.Params) == 0 && strings.HasSuffix(m.Name, ")") {
		return false // nothing tells what its arguments mean
	}
	seen, pos := 0, 0
	for i := range m.Params {
		p := &m.Params[i]
		want := p.Default
		placed := p.Numeric && pos < len(e.positional)
		if placed {
			want = e.positional[pos]
		}
		if v, ok := e.named[p.Name]; ok {
			if placed {
				return false // given twice
			}
			want = v
			seen++
		}
		if p.Numeric {
			pos++
		}
		if !sameValue(want, p.Value, p.Numeric) {
			return false
		}
	}
	return seen == len(e.named) && pos >= len(e.positional)
}

func sameValue(a, b string, numeric bool) bool {
	if a == b || !numeric {
		return a == b
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x == y
}

// instanceNames lists what may be asked for.
func (h *Hub) instanceNames() []string {
	names := make([]string, len(h.cfg.Instances))
	for i := range h.cfg.Instances {
		names[i] = h.cfg.Instances[i].Name
	}
	return names
}

func (h *Hub) unknownIndicator(param, text string) *Problem {
	return &Problem{Status: 404, Code: CodeUnknownIndicator, Param: param, Value: echo(text),
		Allowed: slices.Concat([]string{}, h.instanceNames()),
		Detail:  "no indicator " + quote(text) + " is configured; use one of those listed, as they are written or with their parameters named"}
}
