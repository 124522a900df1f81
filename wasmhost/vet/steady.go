package vet

import "github.com/caddy-kline/caddy-kline/wasmhost"

const (
	soakBars = 1_000_000

	// fuelOfSteady plans the run: indicators whose bars cost much get fewer of them.
	fuelOfSteady = 2_000_000_000
	window       = 1_000 // bars over which fuel is averaged
)

// steady is V14: the fuel of a bar does not depend on how many came before.
// That no bar has more than its budget is seen in every check.
func (v *vetter) steady(s *subject) error {
	from := window
	if s.warmup < int64(len(v.market)/3) {
		from = max(from, int(s.warmup))
	}
	n := from + 2*window
	n = max(n, min(len(v.market), int(fuelOfSteady/max(s.fuelMax, 1))))
	mean, err := v.drift(s, v.market[:n], from)
	v.figure(s).FuelMean = mean
	f := v.figure(s)
	f.FuelMax = max(f.FuelMax, s.fuelMax)
	return err
}

// drift runs bars on one series and compares the fuel of the first window
// after a bar with that of the last one. It gives the mean of all.
func (v *vetter) drift(s *subject, bars []wasmhost.Bar, from int) (int64, error) {
	r, err := v.rig()
	if err != nil {
		return 0, err
	}
	at, err := r.slot(s)
	if err != nil {
		return 0, err
	}
	var sum, first, last int64
	ready := int32(0)
	for i := range bars {
		got, err := r.update(s, at, &bars[i], true, i+1, &s.odd)
		if err != nil {
			return 0, err
		}
		if got.rc < ready {
			note(&s.odd.unready, i+1)
		}
		ready = got.rc
		used := r.g.Used()
		sum += used
		if i >= from && i < from+window {
			first += used
		}
		if i >= len(bars)-window {
			last += used
		}
	}
	if first /= window; last/window > first+first/5+100 {
		v.found(s, "V14", CodeDrift, len(bars), 0, "a bar costs %d units of fuel after %d bars and %d after %d", first, from, last/window, len(bars))
	}
	return sum / int64(len(bars)), nil
}

// soaked repeats V5, V13 and V14 over a million bars: two instances that are
// laid out differently go side by side.
func (v *vetter) soaked(s *subject) error {
	if !v.opt.Soak {
		return nil
	}
	a, err := v.rig()
	if err != nil {
		return err
	}
	b, err := v.newRig(v.probe, otherRig())
	if err != nil {
		return err
	}
	defer b.close()
	first, err := a.slot(s)
	if err != nil {
		return err
	}
	second, err := b.slot(s)
	if err != nil {
		return err
	}
	var early int64
	for block := range soakBars / len(v.market) {
		bars, fuel := walk(uint64(100+block), len(v.market)), int64(0)
		for i := range bars {
			bar := block*len(bars) + i + 1
			want, err := a.update(s, first, &bars[i], true, bar, nil)
			if err != nil {
				return err
			}
			fuel += a.g.Used()
			got, err := b.update(s, second, &bars[i], true, bar, nil)
			if err != nil {
				return err
			}
			if got != want {
				v.found(s, "V5", CodeRepeat, bar, 0, "the same bars in another instance give other values: %s", difference(s, got, want))
				return nil
			}
		}
		if block == 0 {
			early = fuel
		} else if fuel > early+early/5+100*int64(len(bars)) {
			v.found(s, "V14", CodeDrift, (block+1)*len(bars), 0, "%d bars cost %d units of fuel, the first as many %d", len(bars), fuel, early)
			return nil
		}
	}
	return nil
}
