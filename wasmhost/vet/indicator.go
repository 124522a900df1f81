package vet

import (
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

const (
	marketBars = 20_000 // of the longest ordinary run
	shortRun   = 240    // bars where the parameters are the only difference
	plainRun   = 600
	longestRun = 6_000 // bars of an extreme whose window fills late
	tail       = 64    // bars after a warm-up
)

// indicator runs all checks that concern one indicator.
func (v *vetter) indicator(ind *wasmhost.Indicator) error {
	list, err := v.sizes(ind)
	if err != nil || len(list) == 0 {
		return err
	}
	first := list[0]
	if _, err := v.check(first, "V3", v.wrong); err != nil {
		return err
	}
	ready := list[:0]
	for _, s := range list {
		ok, err := v.usable(s, s == first)
		if err != nil {
			return err
		}
		if ok {
			ready = append(ready, s)
		}
	}
	v.figures(first, list)
	if len(ready) == 0 || ready[0] != first {
		return nil
	}
	v.subjects[ind.Name] = ready
	for _, s := range ready {
		if err := v.everywhere(s); err != nil {
			return err
		}
	}
	return v.once(first)
}

// usable is V4 and the reference run: without it nothing can be compared.
func (v *vetter) usable(s *subject, plain bool) (bool, error) {
	ok, err := v.check(s, "V4", v.initialised)
	if !ok {
		return false, err
	}
	return v.check(s, "V14", func(s *subject) error { return v.reference(s, plain) })
}

// reference runs the bars that all other runs are compared with.
func (v *vetter) reference(s *subject, plain bool) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	n := shortRun
	if plain {
		n = plainRun
	}
	if s.warmup < longestRun {
		n = max(n, int(s.warmup)+tail)
	}
	return r.reference(s, v.market[:n])
}

// everywhere are the checks that every set of parameters has to pass.
func (v *vetter) everywhere(s *subject) error {
	for _, c := range []struct {
		id  string
		run func(*subject) error
	}{{"V6", v.moved}, {"V7", v.interleaved}, {"V8", v.previewed}, {"V15", v.hardened}} {
		if _, err := v.check(s, c.id, c.run); err != nil {
			return err
		}
	}
	return nil
}

// once are the checks that the defaults have to pass.
func (v *vetter) once(s *subject) error {
	for _, c := range []struct {
		id  string
		run func(*subject) error
	}{
		{"V5", v.repeated}, {"V9", v.restored}, {"V10", v.confined}, {"V11", v.batched}, {"V14", v.steady},
		{"V18", v.warmed}, {"V13", v.soaked},
	} {
		if _, err := v.check(s, c.id, c.run); err != nil {
			return err
		}
	}
	v.odd(s)
	_, err := v.check(s, "V14", v.measure)
	return err
}

// odd is V17: outputs that are legal and that no client sees as they are.
func (v *vetter) odd(s *subject) {
	for _, o := range []struct {
		code Code
		bar  int
		text string
	}{
		{CodeNaN, s.odd.nan, "an output is NaN on a bar that is called ready"},
		{CodeInfinite, s.odd.infinite, "an output is infinite"},
		{CodeNegZero, s.odd.negZero, "an output is -0"},
		{CodeUnready, s.odd.unready, "a ready series says that it warms up again"},
	} {
		if o.bar > 0 {
			v.warn(s, "V17", o.code, o.bar, "%s", o.text)
		}
	}
}

// figures begins the entry of an indicator in the report.
func (v *vetter) figures(first *subject, list []*subject) {
	f := IndicatorReport{Name: first.ind.Name, StateBytes: first.size, Warmup: first.warmup}
	for _, s := range list {
		f.StateBytesMax = max(f.StateBytesMax, s.size)
		f.FuelMax = max(f.FuelMax, s.fuelMax)
	}
	v.report.Indicators = append(v.report.Indicators, f)
}

// figure is the entry of an indicator.
func (v *vetter) figure(s *subject) *IndicatorReport {
	for i := range v.report.Indicators {
		if v.report.Indicators[i].Name == s.ind.Name {
			return &v.report.Indicators[i]
		}
	}
	return new(IndicatorReport)
}
