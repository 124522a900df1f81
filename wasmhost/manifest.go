package wasmhost

import (
	"slices"
	"strconv"
)

// Manifest describes a module in its own words. It was checked when the module
// was loaded and is never changed afterwards; readers must not change it.
type Manifest struct {
	Name        string // ^[a-z][a-z0-9-]{1,40}$
	Version     string // major.minor.patch
	Title       string
	Description string
	Author      string
	License     string
	Homepage    string // https only
	Indicators  []*Indicator

	// JSON is the document as the module gave it, x- keys included, for
	// clients that draw from it. Its strings are foreign text.
	JSON []byte
}

// Indicator is one entry of a [Manifest].
type Indicator struct {
	ID           uint32
	Name         string // unique in the module
	Title        string
	Short        string // label of a chart, with {param} placeholders
	Help         string
	Category     string // trend, momentum, volatility, volume, pattern, statistic, other or empty
	Input        string // "bar": reads whole bars; "src": reads one price, which the user may choose
	Pane         string // overlay or separate
	StateVersion uint32
	Warmup       int64  // bars; used where the module exports no kl_warmup
	History      string // window, decay, accumulate, state or empty
	Profiles     []string
	Params       []Param
	Outputs      []Output
	Levels       []Level
	Range        []float64 // empty, or lowest and highest value
}

// Param is one parameter of an [Indicator]. All values are float64: bool is 0
// or 1, enum is the index into Options.
type Param struct {
	Name    string
	Title   string
	Help    string
	Group   string
	Type    string // int, float, bool or enum
	Default float64
	Min     *float64 // nil: no limit
	Max     *float64
	Step    float64 // 0: not given
	Options []string
}

// Output is one number per bar of an [Indicator].
type Output struct {
	Name      string
	Title     string
	Plot      string // line, histogram, columns, area, band, marker, dots or none
	Color     string // #rrggbb or #rrggbbaa
	ColorNeg  string
	Width     int // 0: not given
	Style     string
	FillTo    string // name of another output
	Offset    int    // bars to shift the drawing by
	Precision int    // decimals to show; -1: not given
	Format    string // price, volume, percent or number
}

// Level is a horizontal line of an [Indicator].
type Level struct {
	Value float64
	Title string
	Color string
}

// degenerateOutput is the name that turns an output into a flag.
const degenerateOutput = "degenerate"

// Indicator returns the entry with the given name, or nil.
func (m *Manifest) Indicator(name string) *Indicator {
	i := slices.IndexFunc(m.Indicators, func(ind *Indicator) bool { return ind.Name == name })
	if i < 0 {
		return nil
	}
	return m.Indicators[i]
}

// HasDegenerate tells whether the last output is the flag for a zero
// denominator, which is no series of its own.
func (ind *Indicator) HasDegenerate() bool {
	return ind.Outputs[len(ind.Outputs)-1].Name == degenerateOutput
}

// OutputNames returns the names of the series, without the degenerate flag.
func (ind *Indicator) OutputNames() []string {
	var names []string
	for _, o := range ind.Outputs {
		if o.Name != degenerateOutput {
			names = append(names, o.Name)
		}
	}
	return names
}

// param returns the parameter with the given name, or -1.
func (ind *Indicator) param(name string) int {
	return slices.IndexFunc(ind.Params, func(p Param) bool { return p.Name == name })
}

// DefaultText is the default as expressions write it.
func (p *Param) DefaultText() string { return p.text(p.Default) }

// Numeric tells whether the parameter is written as a number: expressions may
// then give it by position.
func (p *Param) Numeric() bool { return p.Type == "int" || p.Type == "float" }

func (p *Param) text(value float64) string {
	switch p.Type {
	case "enum":
		return p.Options[int(value)]
	case "bool":
		return strconv.FormatBool(value != 0)
	default:
		return number(value)
	}
}
