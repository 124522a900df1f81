package vet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// row is the answer to one bar, canonical: every NaN is one NaN, -0 is 0 and
// an infinity is no value, as it is for clients.
type row struct {
	rc  int32
	out [16]uint64
}

// maxBefore is the largest state that is kept from before each update: larger
// ones take longer to copy than to update.
const maxBefore = 16 << 10

const noValue = 0x7ff8000000000000

// oddities count outputs that are not what they seem.
type oddities struct {
	nan, infinite, negZero, unready int // number of the first bar, from 1; 0: none
}

// note keeps the first of a kind.
func note(at *int, bar int) {
	if *at == 0 {
		*at = bar
	}
}

// canonical reads a row of n outputs; odd may be nil.
func canonical(b []byte, n int, rc int32, odd *oddities, bar int) row {
	res := row{rc: rc}
	for i := range n {
		bits := binary.LittleEndian.Uint64(b[i*8:])
		switch v := math.Float64frombits(bits); {
		case v != v:
			bits = noValue
			if odd != nil && rc == 1 {
				note(&odd.nan, bar)
			}
		case math.IsInf(v, 0):
			bits = noValue
			if odd != nil {
				note(&odd.infinite, bar)
			}
		case v == 0:
			if odd != nil && bits != 0 {
				note(&odd.negZero, bar)
			}
			bits = 0
		}
		res.out[i] = bits
	}
	return res
}

// prefill writes "no value" into the row, between zones of poison.
func (r *rig) prefill(outputs int) {
	r.poison(r.io+atRow-zone, zone+rowSize+zone)
	r.blankRow(r.io+atRow, outputs)
}

func (r *rig) blankRow(at uint32, outputs int) {
	b := r.view(at, uint32(outputs)*8)
	for i := range outputs {
		binary.LittleEndian.PutUint64(b[i*8:], noValue)
	}
}

// update runs one bar on the state at an address. bar is its number, from 1.
func (r *rig) update(s *subject, at uint32, b *wasmhost.Bar, closed bool, bar int, odd *oddities) (row, error) {
	if err := r.v.often(); err != nil {
		return row{}, err
	}
	var in [wasmhost.BarSize]byte
	wasmhost.PutBar(in[:], b, s.source(b), closed)
	copy(r.view(r.io+atBar, wasmhost.BarSize), in[:])
	r.prefill(s.outputs)
	r.before = r.before[:0]
	if s.size <= maxBefore {
		r.before = append(r.before, r.view(at, uint32(s.size))...)
	}
	calls, size := r.g.SystemCalls(), len(r.g.Memory())
	got, err := r.g.Call("kl_update", r.v.barFuel, uint64(s.ind.ID), uint64(at), uint64(r.io+atBar), uint64(r.io+atRow))
	r.v.fuel += r.g.Used()
	s.fuelMax = max(s.fuelMax, r.g.Used())
	if err != nil {
		f := trapped("kl_update", err).(*fault) //nolint:errorlint,forcetypeassert // a call fails by a trap only
		return row{}, r.retold(s, at, f.at(bar))
	}
	if n := r.g.SystemCalls() - calls; n > 0 {
		r.v.found(s, "V13", CodeSystem, bar, 0, "the update calls a function of the system %d times", n)
	}
	if n := len(r.g.Memory()); n > size {
		r.v.found(s, "V13", CodeGrew, bar, 0, "the memory grows from %d to %d bytes during an update", size, n)
	}
	r.zones(s, at, in[:], bar)
	rc := int32(uint32(got))
	switch {
	case rc > 1:
		return row{}, faultf(CodeResult, "kl_update returns %d: 0 is warming up, 1 is ready, others are reserved", rc).at(bar)
	case rc < 0 && !r.manual:
		return row{}, faultf(CodeUpdate, "kl_update returns %s", r.explain(rc)).at(bar)
	}
	return canonical(r.view(r.io+atRow, rowSize), s.outputs, rc, odd, bar), nil
}

// zones looks around what the update was allowed to write.
func (r *rig) zones(s *subject, at uint32, in []byte, bar int) {
	size := uint32(s.size)
	if i := r.intact(at-zone, zone); i >= 0 {
		r.v.found(s, "V10", CodeOutside, bar, i-zone, "the update writes %d bytes before the state of %d bytes", zone-i, size)
		r.poison(at-zone, zone)
	}
	if i := r.intact(at+size, zone); i >= 0 {
		r.v.found(s, "V10", CodeOutside, bar, int(size)+i, "the update writes to byte %d of a state of %d bytes", int(size)+i, size)
		r.poison(at+size, zone)
	}
	row := r.io + atRow
	used := uint32(s.outputs) * 8
	if i := r.intact(row-zone, zone); i >= 0 {
		r.v.found(s, "V10", CodeRow, bar, i-zone, "the update writes %d bytes before its row", zone-i)
	}
	if i := r.intact(row+used, rowSize-used+zone); i >= 0 {
		r.v.found(s, "V10", CodeRow, bar, int(used)+i, "the update writes to byte %d of a row of %d outputs", int(used)+i, s.outputs)
	}
	if !bytes.Equal(r.view(r.io+atBar, wasmhost.BarSize), in) {
		r.v.found(s, "V10", CodeInput, bar, 0, "the update changes its bar")
	}
}

// reference runs bars on a fresh slot and keeps rows, and the state after the
// first of them.
func (r *rig) reference(s *subject, bars []wasmhost.Bar) error {
	at, err := r.slot(s)
	if err != nil {
		return err
	}
	s.rows = make([]row, len(bars))
	from, fuel := r.v.now(), r.v.fuel
	for i := range bars {
		// As in alive: a cheap bar that takes long is not slow, the machine is.
		if limit := time.Duration(i+1) * slowBar; i%64 == 63 && r.v.now().Sub(from) > limit && float64(r.v.fuel-fuel) > limit.Seconds()*fuelOfSecond {
			return fmt.Errorf("%w: a bar of %s takes longer than %v on the mean of %d", errSlow, s.name(), slowBar, i+1)
		}
		if s.rows[i], err = r.update(s, at, &bars[i], true, i+1, &s.odd); err != nil {
			return err
		}
		if i > 0 && s.rows[i].rc < s.rows[i-1].rc {
			note(&s.odd.unready, i+1)
		}
		if i == s.few()-1 {
			s.final = r.state(s, at)
		}
	}
	return nil
}

// maxRetell is the fuel of a call that is repeated for its words: the panic of
// a Go guest takes more than two million units to print.
const maxRetell = 10_000_000

// retold repeats an update that ran out of fuel in an instance of its own, to
// learn what the module would have said.
func (r *rig) retold(s *subject, at uint32, f *fault) error {
	if f.code != CodeFuel || r.v.terse {
		return f
	}
	other, err := r.v.newRig(r.v.probe, plainRig())
	if err != nil {
		return f
	}
	defer other.close()
	old, known := r.before, len(r.before) > 0
	if !known {
		old = r.view(at, uint32(s.size)) // of the dead instance: perhaps half changed
	}
	to := other.room(uint32(s.size))
	copy(other.view(to, uint32(s.size)), old)
	copy(other.view(other.io+atBar, wasmhost.BarSize), r.view(r.io+atBar, wasmhost.BarSize))
	_, err = other.g.Call("kl_update", maxRetell, uint64(s.ind.ID), uint64(to), uint64(other.io+atBar), uint64(other.io+atRow))
	allowed := r.v.barFuel
	if err == nil && !known {
		return f
	}
	if err == nil {
		return faultf(CodeFuel, "kl_update uses %d units of fuel, allowed are %d for a bar", other.g.Used(), allowed).at(f.bar)
	}
	told := trapped("kl_update", err).(*fault) //nolint:errorlint,forcetypeassert // a call fails by a trap only
	if told.code == CodeFuel {
		return faultf(CodeFuel, "kl_update uses more than %d units of fuel, allowed are %d for a bar", maxRetell, allowed).at(f.bar)
	}
	return told.at(f.bar)
}
