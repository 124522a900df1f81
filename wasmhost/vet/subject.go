package vet

import (
	"math"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// subject is an indicator with parameters, on its way through the checks.
type subject struct {
	ind     *wasmhost.Indicator
	params  []float64
	outputs int
	size    int   // bytes of the state
	warmup  int64 // bars, or wasmhost.Forever
	price   wasmhost.Price

	rows    []row  // of the reference run
	final   []byte // its state after few bars
	fuelMax int64  // of one bar
	odd     oddities
}

func newSubject(ind *wasmhost.Indicator, params []float64) *subject {
	return &subject{ind: ind, params: params, outputs: len(ind.Outputs)}
}

func (s *subject) source(b *wasmhost.Bar) float64 { return s.price.Of(b) }

// name is the subject as a person writes it: sma(period=20).
func (s *subject) name() string {
	var args []string
	for i := range s.ind.Params {
		args = append(args, s.ind.Params[i].Name+"="+s.ind.Params[i].Text(s.params[i]))
	}
	if len(args) == 0 {
		return s.ind.Name
	}
	return s.ind.Name + "(" + strings.Join(args, ",") + ")"
}

// defaults are the parameters that nobody chose.
func defaults(ind *wasmhost.Indicator) []float64 {
	var out []float64
	for i := range ind.Params {
		out = append(out, ind.Params[i].Default+0)
	}
	return out
}

// choices are the values of a parameter that are tried: its limits, and all
// of an enum.
func choices(p *wasmhost.Param) []float64 {
	switch p.Type {
	case "bool":
		return []float64{0, 1}
	case "enum":
		var all []float64
		for i := range p.Options {
			all = append(all, float64(i))
		}
		return all
	}
	var out []float64
	for _, limit := range []*float64{p.Min, p.Max} {
		if limit != nil {
			out = append(out, *limit)
		}
	}
	return out
}

// extremes are the parameter sets of an indicator: the defaults first, each
// limit alone, then all lowest and all highest.
func extremes(ind *wasmhost.Indicator) [][]float64 {
	sets := [][]float64{defaults(ind)}
	add := func(set []float64) {
		if !slices.ContainsFunc(sets, func(o []float64) bool { return slices.Equal(o, set) }) {
			sets = append(sets, set)
		}
	}
	low, high := defaults(ind), defaults(ind)
	for i := range ind.Params {
		values := choices(&ind.Params[i])
		for _, v := range values {
			set := defaults(ind)
			set[i] = v
			add(set)
		}
		if len(values) > 0 {
			low[i], high[i] = values[0], values[len(values)-1]
		}
	}
	add(low)
	add(high)
	return sets
}

// wrong is a parameter set that has to be refused, and why.
type wrong struct {
	params []float64
	why    string
}

// wrongs are sets that no manifest allows.
func wrongs(ind *wasmhost.Indicator) []wrong {
	var list []wrong
	for i := range ind.Params {
		p := &ind.Params[i]
		with := func(v float64, why string) {
			set := defaults(ind)
			set[i] = v
			list = append(list, wrong{set, p.Name + " " + why})
		}
		with(math.NaN(), "= NaN")
		with(math.Inf(1), "= infinity")
		with(math.Inf(-1), "= -infinity")
		low, high := p.Min, p.Max
		if p.Type == "bool" || p.Type == "enum" {
			values := choices(p)
			low, high = &values[0], &values[len(values)-1]
		}
		if low != nil {
			with(*low-step(*low), "below its minimum")
		}
		if high != nil {
			with(*high+step(*high), "above its maximum")
		}
		if p.Type != "float" {
			with(p.Default+0.5, "with a fraction")
		}
	}
	list = append(list, wrong{append(defaults(ind), 1), "with one parameter too many"})
	if len(ind.Params) > 0 {
		list = append(list, wrong{defaults(ind)[1:], "with one parameter too few"})
	}
	return list
}

// step is a distance that changes a number.
func step(v float64) float64 { return max(1, math.Abs(v)) }
