package vet

import (
	"bytes"
	"errors"
	"slices"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

const (
	oldBars  = 300 // of the previous version before its state is handed on
	nextBars = 100 // of this version after it
)

// previous is V19: states of the version before this one are either continued
// exactly, or migrated, or left alone.
func (v *vetter) previous() error {
	if v.opt.Previous == nil {
		return nil
	}
	old := &vetter{ctx: v.ctx, opt: v.opt, report: &Report{}, module: v.opt.Previous}
	old.configure()
	old.began = v.began
	v.old = old
	if err := old.open(); err != nil {
		var f *fault
		if !errors.As(err, &f) {
			return err
		}
		v.found(nil, "V19", CodePrevious, 0, 0, "the previous version cannot be used: %s", f.text)
		return nil
	}
	if old.doc.Name != v.doc.Name {
		v.found(nil, "V19", CodePrevious, 0, 0, "the previous version is of module %s, this one of %s", old.doc.Name, v.doc.Name)
		return nil
	}
	for _, ind := range v.doc.Indicators {
		before := old.doc.Indicator(ind.Name)
		if before == nil || len(v.subjects[ind.Name]) == 0 || !sameParams(before, ind) {
			continue
		}
		s := v.subjects[ind.Name][0]
		if _, err := v.check(s, "V19", func(s *subject) error { return v.succeeds(old, before, s) }); err != nil {
			return err
		}
	}
	return nil
}

// open brings a previous version to where its indicators can be run.
func (v *vetter) open() (err error) {
	v.probe, err = wasmhost.NewProbe(v.ctx, v.module, wasmhost.ProbeConfig{Limits: v.limits, CacheDir: v.opt.CacheDir})
	var refusal *guard.Finding
	if errors.As(err, &refusal) {
		return faultf(CodePrevious, "%v", refusal)
	}
	if errors.Is(err, wasmhost.ErrProbeCompile) {
		return faultf(CodePrevious, "%v", err)
	}
	if err != nil {
		return err
	}
	return v.manifestOf()
}

// sameParams tells whether the defaults of one version mean the same in the
// other.
func sameParams(a, b *wasmhost.Indicator) bool {
	return slices.EqualFunc(a.Params, b.Params, func(p, q wasmhost.Param) bool { return p.Name == q.Name && p.Type == q.Type })
}

// succeeds runs the old indicator, hands its state on, and looks.
func (v *vetter) succeeds(old *vetter, before *wasmhost.Indicator, s *subject) error {
	was := newSubject(before, s.params)
	if err := old.size(was, true); err != nil {
		return faultf(CodePrevious, "the previous version: %v", err)
	}
	rows, state, err := old.history(was)
	if err != nil {
		return faultf(CodePrevious, "the previous version: %v", err)
	}
	r, err := v.rig()
	if err != nil {
		return err
	}
	if before.StateVersion == s.ind.StateVersion {
		return v.continues(r, s, was, rows, state)
	}
	if !r.g.Has("kl_migrate") {
		return nil // a backfill
	}
	if err := v.migrates(r, s, before.StateVersion, state); err != nil {
		return err
	}
	return r.migratesDamage(s, before.StateVersion, state)
}

// history is what the old version computes, and its state in the middle.
func (v *vetter) history(s *subject) (rows []row, state []byte, err error) {
	r, err := v.rig()
	if err != nil {
		return nil, nil, err
	}
	at, err := r.slot(s)
	if err != nil {
		return nil, nil, err
	}
	for i := range oldBars + nextBars {
		if i == oldBars {
			state = r.state(s, at)
		}
		got, err := r.update(s, at, &v.market[i], true, i+1, nil)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, got)
	}
	return rows, state, nil
}

// continues takes bytes of an equal state_version as a host does.
func (v *vetter) continues(r *rig, s, was *subject, rows []row, state []byte) error {
	if len(state) != s.size {
		v.found(s, "V19", CodeSameState, 0, 0, "state_version is still %d, but the state has %d bytes instead of %d", s.ind.StateVersion, s.size, len(state))
		return nil
	}
	at := r.room(uint32(s.size))
	copy(r.view(at, uint32(s.size)), state)
	for i := oldBars; i < oldBars+nextBars; i++ {
		got, err := r.update(s, at, &v.market[i], true, i+1, nil)
		if err != nil {
			return err
		}
		if was.outputs == s.outputs && got != rows[i] {
			v.found(s, "V19", CodeSameState, i+1, 0, "state_version is still %d, but the old state gives other values: %s", s.ind.StateVersion, difference(s, got, rows[i]))
			return nil
		}
	}
	return nil
}

// migrate calls kl_migrate on room of one fill and gives the result.
func (r *rig) migrate(s *subject, from uint32, old []byte, fill byte) (at uint32, rc int32, err error) {
	at = r.room(uint32(s.size))
	b := r.view(at, uint32(s.size))
	for i := range b {
		b[i] = fill
	}
	src := r.room(uint32(max(len(old), 1)))
	copy(r.view(src, uint32(len(old))), old)
	rc, err = r.call("kl_migrate", r.configure(s, from), uint64(src), uint64(len(old)), uint64(at))
	return at, rc, err
}

// migrates checks a migration that may succeed.
func (v *vetter) migrates(r *rig, s *subject, from uint32, old []byte) error {
	var got [2][]byte
	var at uint32
	for i, fill := range []byte{0, 0x41} {
		var rc int32
		var err error
		if at, rc, err = r.migrate(s, from, old, fill); err != nil {
			return err
		}
		switch {
		case rc == 1:
			return nil // it asks for a backfill
		case rc < 0:
			return faultf(CodeMigrate, "kl_migrate from state_version %d returns %s", from, r.explain(rc))
		case rc > 1:
			return faultf(CodeResult, "kl_migrate returns %d: 0 is done, 1 asks for a backfill", rc)
		}
		got[i] = r.state(s, at)
	}
	if k := firstDifference(got[0], got[1]); k >= 0 {
		v.found(s, "V19", CodeMigrate, 0, k, "kl_migrate leaves byte %d of a state of %d bytes as it was", k, s.size)
	}
	for i := oldBars; i < oldBars+nextBars; i++ {
		if _, err := r.update(s, at, &v.market[i], true, i+1, nil); err != nil {
			return err
		}
	}
	return nil
}

// migratesDamage hands over old bytes that nobody wrote: any answer will do,
// but no trap.
func (r *rig) migratesDamage(s *subject, from uint32, old []byte) error {
	for _, bad := range [][]byte{{}, old[:len(old)/2], bytes.Repeat([]byte{0xff}, len(old)), append(bytes.Clone(old), old...)} {
		if len(bad) > wasmhost.MaxState {
			continue
		}
		if _, _, err := r.migrate(s, from, bad, 0); err != nil {
			var f *fault
			if errors.As(err, &f) {
				return faultf(CodeMigrate, "kl_migrate cannot stand damaged bytes: %s", f.text)
			}
			return err
		}
	}
	return nil
}
