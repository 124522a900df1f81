package vet

import (
	"bytes"
	"fmt"
	"math"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// initialised is V4: kl_init writes every byte of the state, whatever was
// there before.
func (v *vetter) initialised(s *subject) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	var got [2][]byte
	for i, fill := range []byte{0x00, 0x41} {
		at := r.room(uint32(s.size))
		b := r.view(at, uint32(s.size))
		for k := range b {
			b[k] = fill
		}
		if err := r.init(s, at); err != nil {
			return err
		}
		for _, z := range [][2]int{{int(at) - zone, -zone}, {int(at) + s.size, s.size}} {
			if k := r.intact(uint32(z[0]), zone); k >= 0 {
				v.found(s, "V10", CodeOutside, 0, z[1]+k, "kl_init writes to byte %d of a state of %d bytes", z[1]+k, s.size)
				r.poison(uint32(z[0]), zone)
			}
		}
		got[i] = r.state(s, at)
	}
	for i := range got[0] {
		if got[0][i] != got[1][i] {
			v.found(s, "V4", CodeUnwritten, 0, i, "kl_init leaves byte %d of a state of %d bytes as it was", i, s.size)
			break
		}
	}
	return nil
}

// compare tells where a row differs from the reference; ok is true if not.
func (v *vetter) compare(s *subject, id string, code Code, i int, got row, what string) (ok bool) {
	want := s.rows[i]
	if got == want {
		return true
	}
	v.found(s, id, code, i+1, 0, "%s: %s", what, difference(s, got, want))
	return false
}

// difference words how a row differs.
func difference(s *subject, got, want row) string {
	if got.rc != want.rc {
		return fmt.Sprintf("the result is %d instead of %d", got.rc, want.rc)
	}
	for i := range s.outputs {
		if got.out[i] != want.out[i] {
			return fmt.Sprintf("output %s is %s instead of %s", s.ind.Outputs[i].Name, shown(got.out[i]), shown(want.out[i]))
		}
	}
	return "outputs differ"
}

// same compares the state at an address, after few bars, with that of the
// reference: what values do not show yet, bytes do.
func (v *vetter) same(r *rig, s *subject, id string, code Code, at uint32, what string) {
	if k := firstDifference(s.final, r.view(at, uint32(s.size))); k >= 0 {
		v.found(s, id, code, s.few(), k, "%s: after equal bars and equal values byte %d of the state differs", what, k)
	}
}

// shown is a value for people.
func shown(bits uint64) string {
	if bits == noValue {
		return "no value"
	}
	return fmt.Sprintf("%v", math.Float64frombits(bits))
}

// few is the part of the reference that is run again.
func (s *subject) few() int { return min(len(s.rows), plainRun) }

// again is one way to go through the reference another time: something is done
// to the state or beside it, and neither values nor bytes may show that.
type again struct {
	check  string
	code   Code
	values string // what is wrong if values differ
	bytes  string // what was done, if only the bytes of the state differ
	from   int    // bars of the reference that the state has seen elsewhere
	at     uint32 // where the state is; a step may move it

	// before and after are done beside each update. before tells whether to go on:
	// false after a finding of its own.
	before func(i int) (ok bool, err error)
	after  func(i int) error
}

// through runs few bars on a state and compares them with the reference, up to
// the first difference.
func (v *vetter) through(r *rig, s *subject, a *again) error {
	for i := a.from; i < s.few(); i++ {
		if a.before != nil {
			if ok, err := a.before(i); !ok || err != nil {
				return err
			}
		}
		got, err := r.update(s, a.at, &v.market[i], true, i+1, nil)
		if err != nil {
			return err
		}
		if !v.compare(s, a.check, a.code, i, got, a.values) {
			return nil
		}
		if a.after != nil {
			if err := a.after(i); err != nil {
				return err
			}
		}
	}
	v.same(r, s, a.check, a.code, a.at, a.bytes)
	return nil
}

// seeded is the instance of most checks with a fresh state in it.
func (v *vetter) seeded(s *subject) (r *rig, at uint32, err error) {
	if r, err = v.rig(); err != nil {
		return nil, 0, err
	}
	at, err = r.slot(s)
	return r, at, err
}

// repeated is V5: another instance, with its memory elsewhere and other bytes
// in it, gives the same values.
func (v *vetter) repeated(s *subject) error {
	r, err := v.newRig(v.probe, otherRig())
	if err != nil {
		return err
	}
	defer r.close()
	at, err := r.slot(s)
	if err != nil {
		return err
	}
	return v.through(r, s, &again{
		check: "V5", code: CodeRepeat, values: "the same bars in another instance give other values", bytes: "another instance", at: at,
	})
}

// moved is V6: after every bar the state is somewhere else, and its old place
// is poison.
func (v *vetter) moved(s *subject) error {
	r, here, err := v.seeded(s)
	if err != nil {
		return err
	}
	there := r.room(uint32(s.size))
	a := &again{check: "V6", code: CodeMoved, values: "values change when the state moves", bytes: "the state was moved", at: here}
	a.after = func(int) error {
		r.move(s, there, a.at)
		r.poison(a.at, uint32(s.size))
		a.at, there = there, a.at
		return nil
	}
	return v.through(r, s, a)
}

// interleaved is V7: another series has its bars in between.
func (v *vetter) interleaved(s *subject) error {
	r, at, err := v.seeded(s)
	if err != nil {
		return err
	}
	beside, err := r.slot(s)
	if err != nil {
		return err
	}
	return v.through(r, s, &again{
		check: "V7", code: CodeShared, values: "values change when another series runs beside", bytes: "another series ran beside", at: at,
		after: func(i int) error {
			for range 1 + i%2 { // once would hide what happens to be counted in pairs
				if _, err := r.update(s, beside, &v.other[i], true, i+1, nil); err != nil {
					return err
				}
			}
			return nil
		},
	})
}

// previewed is V8: three previews on a copy before each bar.
func (v *vetter) previewed(s *subject) error {
	r, at, err := v.seeded(s)
	if err != nil {
		return err
	}
	scratch := r.room(uint32(s.size))
	return v.through(r, s, &again{
		check: "V8", code: CodePreview, values: "values change after previews", bytes: "there were previews", at: at,
		before: func(i int) (bool, error) {
			for k := range 3 {
				before := r.state(s, at)
				r.move(s, scratch, at)
				if _, err := r.update(s, scratch, &v.other[(i+k)%len(v.other)], false, i+1, nil); err != nil {
					return false, err
				}
				if !bytes.Equal(before, r.view(at, uint32(s.size))) {
					v.found(s, "V8", CodePreview, i+1, 0, "an update on a copy changes the state of the series")
					return false, nil
				}
			}
			return true, nil
		},
	})
}

// restored is V9: the bytes at one bar go on in an instance that has seen
// nothing.
func (v *vetter) restored(s *subject) error {
	r, at, err := v.seeded(s)
	if err != nil {
		return err
	}
	from := min(100, len(s.rows)/2)
	for i := range from {
		if _, err := r.update(s, at, &v.market[i], true, i+1, nil); err != nil {
			return err
		}
	}
	fresh, err := v.newRig(v.probe, otherRig())
	if err != nil {
		return err
	}
	defer fresh.close()
	to := fresh.room(uint32(s.size))
	copy(fresh.view(to, uint32(s.size)), r.view(at, uint32(s.size)))
	return v.through(fresh, s, &again{
		check: "V9", code: CodeRestored, values: "a state that is continued in another instance gives other values", bytes: "the state was continued elsewhere", from: from, at: to,
	})
}

// confined is V10: of all the memory that belongs to the host, an update
// changes the state and the row. The zones next to them are watched in every
// check; here everything is.
func (v *vetter) confined(s *subject) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	r.poison(r.io, region) // what an earlier check wrote is no change any more
	r.poison(r.slots, region)
	at, err := r.slot(s)
	if err != nil {
		return err
	}
	neighbour, err := r.slot(s)
	if err != nil {
		return err
	}
	size := uint32(s.size)
	for i := range s.few() {
		watched := i < 2 || i > s.few()-4
		var io, slots []byte
		if watched {
			wasmhost.PutBar(r.view(r.io+atBar, wasmhost.BarSize), &v.market[i], s.source(&v.market[i]), true)
			r.prefill(s.outputs)
			io, slots = bytes.Clone(r.view(r.io, region)), bytes.Clone(r.view(r.slots, region))
		}
		if _, err := r.update(s, at, &v.market[i], true, i+1, nil); err != nil {
			return err
		}
		if !watched {
			continue
		}
		copy(io[atRow-zone:], r.view(r.io+atRow-zone, zone+rowSize+zone)) // watched anyway
		copy(io[atBar:], r.view(r.io+atBar, wasmhost.BarSize))
		copy(slots[at-r.slots:], r.view(at, size))
		if k := firstDifference(io, r.view(r.io, region)); k >= 0 {
			v.found(s, "V10", CodeInput, i+1, k, "the update writes to memory that it was not given, byte %d of the region for bars", k)
			return nil
		}
		if k := firstDifference(slots, r.view(r.slots, region)); k >= 0 {
			v.found(s, "V10", CodeOutside, i+1, k-int(at-r.slots), "the update writes %d bytes from the beginning of its state of %d bytes (the next state begins at %d)", k-int(at-r.slots), size, neighbour-at)
			return nil
		}
	}
	return nil
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
