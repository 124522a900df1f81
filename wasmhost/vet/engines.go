package vet

import "github.com/caddy-kline/caddy-kline/wasmhost"

const engineBars = 200

// engines is V12: the interpreter gives the values of the compiler.
func (v *vetter) engines() error {
	if len(v.subjects) == 0 {
		return nil
	}
	var err error
	v.interp, err = wasmhost.NewProbe(v.ctx, v.module, wasmhost.ProbeConfig{Limits: v.limits, Interpret: true})
	if err != nil {
		return err // the compiler took it
	}
	for _, ind := range v.doc.Indicators {
		for _, s := range v.subjects[ind.Name] {
			if _, err := v.check(s, "V12", v.interpreted); err != nil {
				return err
			}
		}
	}
	return nil
}

// interpreted runs the first bars of the reference in the interpreter.
func (v *vetter) interpreted(s *subject) error {
	if v.slow == nil {
		r, err := v.newRig(v.interp, plainRig())
		if err != nil {
			return err
		}
		v.slow = r
	}
	v.slow.free()
	at, err := v.slow.slot(s)
	if err != nil {
		return v.dropSlow(err)
	}
	for i := range min(engineBars, len(s.rows)) {
		got, err := v.slow.update(s, at, &v.market[i], true, i+1, nil)
		if err != nil {
			return v.dropSlow(err)
		}
		if !v.compare(s, "V12", CodeEngines, i, got, "the interpreter gives other values than the compiler") {
			return nil
		}
	}
	return nil
}

// dropSlow gives up an instance that had a fault.
func (v *vetter) dropSlow(err error) error {
	v.slow.close()
	v.slow = nil
	return err
}
