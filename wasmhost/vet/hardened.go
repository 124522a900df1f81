package vet

import "github.com/caddy-kline/caddy-kline/wasmhost"

// hardened is V15: bars that are legal and seldom end in a value, in no value
// or in an error, but not in a trap; and ordinary bars follow.
func (v *vetter) hardened(s *subject) error {
	bars := hostile()
	start := min(len(s.rows), plainRun)
	for _, before := range []int{0, start} {
		if err := v.harden(s, v.market[:before], bars); err != nil {
			return err
		}
	}
	return nil
}

// harden runs ordinary bars, hostile ones and ordinary ones on a series.
func (v *vetter) harden(s *subject, before, bars []wasmhost.Bar) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	r.manual = true
	at, err := r.slot(s)
	if err != nil {
		return err
	}
	bar := 0
	for _, part := range [][]wasmhost.Bar{before, bars, v.market[:tail]} {
		for i := range part {
			bar++
			got, err := r.update(s, at, &part[i], true, bar, nil)
			if err != nil {
				return err
			}
			if got.rc >= 0 {
				continue
			}
			v.warn(s, "V15", CodeUpdate, bar, "kl_update returns %s for a legal bar with close %v and volume %v, and the series has no values any more", r.explain(got.rc), part[i].Close, part[i].Volume)
			if err := r.init(s, at); err != nil {
				return err
			}
		}
	}
	return nil
}
