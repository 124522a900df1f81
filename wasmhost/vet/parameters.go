package vet

import (
	"fmt"
	"math"
	"strings"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// maxErrorText is what kl_error may return, in bytes.
const maxErrorText = 512

// sizes is V2: the state of every extreme has a size, and the same one on
// repetition. It gives the subjects that can be run.
func (v *vetter) sizes(ind *wasmhost.Indicator) ([]*subject, error) {
	var list []*subject
	for i, params := range extremes(ind) {
		s := newSubject(ind, params)
		ok, err := v.check(s, "V2", func(s *subject) error { return v.size(s, i == 0) })
		if err != nil {
			return nil, err
		}
		if ok && s.size > 0 {
			list = append(list, s)
		} else if i == 0 {
			return nil, nil // nothing can be said of an indicator without its defaults
		}
	}
	return list, nil
}

// size measures one subject. A refusal of an extreme leaves its size at 0.
func (v *vetter) size(s *subject, must bool) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	var got [2]int32
	for i := range got {
		if got[i], err = r.call("kl_state_size", r.configure(s, 0)); err != nil {
			return err
		}
	}
	switch n := got[0]; {
	case n < 0 && must:
		return faultf(CodeRefused, "the module refuses its own defaults with %s", r.explain(n))
	case n < 0:
		v.warn(s, "V2", CodeRefused, 0, "the module refuses parameters that its manifest allows, with %s", r.explain(n))
		return nil
	case n == 0 || n > wasmhost.MaxState:
		return faultf(CodeStateSize, "kl_state_size returns %d, allowed are 1 to %d", n, wasmhost.MaxState)
	case got[1] != n:
		return faultf(CodeStateSize, "kl_state_size returns %d, and then %d for the same parameters", n, got[1])
	}
	s.size = int(got[0])
	return r.warmup(s)
}

// warmup asks for the warm-up.
func (r *rig) warmup(s *subject) error {
	s.warmup = s.ind.Warmup
	if !r.g.Has("kl_warmup") {
		return nil
	}
	n, err := r.call("kl_warmup", r.configure(s, 0))
	if err != nil {
		return err
	}
	if n < 0 {
		return faultf(CodeWarmupSize, "kl_warmup returns %s", r.explain(n))
	}
	s.warmup = int64(n)
	return nil
}

// wrong is V3: what no manifest allows ends in an error, never in a trap.
func (v *vetter) wrong(s *subject) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	var accepted []string
	for _, w := range wrongs(s.ind) {
		size, err := r.call("kl_state_size", r.configureRaw(s.ind, w.params, 0))
		if err != nil {
			return named(err, w.why)
		}
		if size >= 0 {
			accepted = append(accepted, w.why)
		}
		if _, err := r.call("kl_init", r.configureRaw(s.ind, w.params, 0), uint64(r.room(wasmhost.MaxState))); err != nil {
			return named(err, w.why)
		}
		if r.g.Has("kl_warmup") {
			if _, err := r.call("kl_warmup", r.configureRaw(s.ind, w.params, 0)); err != nil {
				return named(err, w.why)
			}
		}
		r.free()
	}
	for _, id := range []uint32{v.unused(), math.MaxUint32} {
		other := *s.ind
		other.ID = id
		size, err := r.call("kl_state_size", r.configureRaw(&other, s.params, 0))
		if err != nil {
			return err
		}
		if size >= 0 {
			accepted = append(accepted, fmt.Sprintf("the unknown indicator %d", id))
		}
	}
	if err := r.words(); err != nil {
		return err
	}
	if len(accepted) > 0 {
		v.found(s, "V3", CodeAccepted, 0, 0, "kl_state_size accepts parameters: %s", strings.Join(accepted, "; "))
	}
	return nil
}

// words asks for the text of the last error, if the module has one.
func (r *rig) words() error {
	if !r.g.Has("kl_error") {
		return nil
	}
	_, err := r.text("kl_error", maxErrorText)
	if f, ok := err.(*fault); ok && f.code == CodeDescribe { //nolint:errorlint // made in this package and never wrapped
		f.code = CodeErrorText
	}
	return err
}

// named says which parameters led to a fault.
func named(err error, why string) error {
	if f, ok := err.(*fault); ok { //nolint:errorlint // made in this package and never wrapped
		f.text += " (with the parameter " + why + ")"
	}
	return err
}

// unused is an id that no indicator of the module has.
func (v *vetter) unused() uint32 {
	used := map[uint32]bool{}
	for _, ind := range v.doc.Indicators {
		used[ind.ID] = true
	}
	id := uint32(65_535)
	for used[id] {
		id--
	}
	return id
}
