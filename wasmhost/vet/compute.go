package vet

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// Values are what an indicator makes of bars.
type Values struct {
	Name    string      // canonical expression
	Outputs []string    // in manifest order
	Rows    [][]float64 // one row per bar; NaN is no value
	Ready   []bool
	Warmup  int64 // bars, or wasmhost.Forever
	FuelMax int64 // units of one bar
}

// Compute runs one indicator of a module, as an expression chooses it, over
// bars. The error says what the module did wrong.
func Compute(ctx context.Context, module []byte, expr string, bars []wasmhost.Bar, o Options) (*Values, error) {
	v := &vetter{ctx: ctx, opt: o, report: &Report{}, module: module}
	v.configure()
	defer v.close()
	out, err := v.compute(expr, bars)
	if err != nil {
		return nil, fmt.Errorf("computing: %w", withBar(err))
	}
	return out, nil
}

func (v *vetter) compute(expr string, bars []wasmhost.Bar) (*Values, error) {
	if err := v.open(); err != nil {
		return nil, err
	}
	choice, err := v.doc.Choose(expr)
	if err != nil {
		return nil, err
	}
	s := newSubject(choice.Indicator, choice.Params)
	s.price = choice.Source
	rows, err := v.values(s, bars)
	if err != nil {
		return nil, err
	}
	out := &Values{Name: choice.Name, Warmup: s.warmup, FuelMax: s.fuelMax}
	for _, o := range choice.Indicator.Outputs {
		out.Outputs = append(out.Outputs, o.Name)
	}
	for _, r := range rows {
		out.Rows, out.Ready = append(out.Rows, floats(r, s.outputs)), append(out.Ready, r.rc == 1)
	}
	return out, nil
}

// floats are the first n outputs of a row.
func floats(r row, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Float64frombits(r.out[i])
	}
	return out
}

// Expressions gives the name of a module and the default expression of each
// of its indicators.
func Expressions(ctx context.Context, module []byte, o Options) (name string, list []string, err error) {
	v := &vetter{ctx: ctx, opt: o, report: &Report{}, module: module}
	v.configure()
	defer v.close()
	if err := v.open(); err != nil {
		return "", nil, fmt.Errorf("reading the manifest: %w", withBar(err))
	}
	for _, ind := range v.doc.Indicators {
		choice, err := v.doc.Choose(ind.Name)
		if err != nil {
			return "", nil, err
		}
		list = append(list, choice.Name)
	}
	return v.doc.Name, list, nil
}

// withBar tells at which bar a fault was.
func withBar(err error) error {
	var f *fault
	if errors.As(err, &f) && f.bar > 0 {
		return fmt.Errorf("bar %d: %w", f.bar, err)
	}
	return err
}
