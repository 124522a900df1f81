package vet

import (
	"encoding/json"
	"math"
)

const (
	laterStart       = 150 // bars after which the second series begins
	warmedBars       = 300 // bars that are compared
	defaultTolerance = 1e-9
	builtinTolerance = 1e-4   // their warm-up is the one to four digits, see wasmhost.Instance
	longestWarmup    = 15_000 // bars; nobody waits for more here
)

// warmed is V18: a series that began later agrees with the long one once it is
// warm.
func (v *vetter) warmed(s *subject) error {
	if s.warmup > longestWarmup {
		return nil // depends on the start for ever, or is too long to see
	}
	r, err := v.rig()
	if err != nil {
		return err
	}
	long, err := r.slot(s)
	if err != nil {
		return err
	}
	late, err := r.slot(s)
	if err != nil {
		return err
	}
	warm := laterStart + int(s.warmup)
	tolerance := v.tolerance(s)
	scale := make([]float64, s.outputs)
	for i := range v.market[:warm+warmedBars] {
		want, err := r.update(s, long, &v.market[i], true, i+1, nil)
		if err != nil {
			return err
		}
		for k := range scale {
			if x := math.Abs(math.Float64frombits(want.out[k])); x > scale[k] {
				scale[k] = x
			}
		}
		if i < laterStart {
			continue
		}
		got, err := r.update(s, late, &v.market[i], true, i+1, nil)
		if err != nil {
			return err
		}
		if i < warm {
			continue
		}
		for k := range scale {
			if !near(got.out[k], want.out[k], tolerance*scale[k]) {
				v.warn(s, "V18", CodeWarmup, i-laterStart+1, "a series that began %d bars later has after %d bars the output %s = %s instead of %s; the warm-up is said to be %d bars",
					laterStart, i-laterStart+1, s.ind.Outputs[k].Name, shown(got.out[k]), shown(want.out[k]), s.warmup)
				return nil
			}
		}
	}
	return nil
}

// near tells whether two outputs agree. Distances are measured against the
// largest value of the output: one near zero is not the measure of itself.
func near(a, b uint64, distance float64) bool {
	if a == b {
		return true
	}
	return math.Abs(math.Float64frombits(a)-math.Float64frombits(b)) <= distance
}

// tolerance is x-tolerance of the indicator in its manifest.
func (v *vetter) tolerance(s *subject) float64 {
	var doc struct {
		Indicators []struct {
			ID        uint32   `json:"id"`
			Tolerance *float64 `json:"x-tolerance"`
		} `json:"indicators"`
	}
	if err := json.Unmarshal(v.doc.JSON, &doc); err != nil {
		return defaultTolerance // x- keys are free: one with another type is not ours
	}
	for _, ind := range doc.Indicators {
		if ind.ID == s.ind.ID && ind.Tolerance != nil && *ind.Tolerance >= 0 {
			return *ind.Tolerance
		}
	}
	if v.opt.Builtin {
		return builtinTolerance
	}
	return defaultTolerance
}
