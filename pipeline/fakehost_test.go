package pipeline

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
)

// nativeHost is an Indicators in plain Go: an average that never forgets, and
// the sum of the last three closes. It stands in for the module host, which
// this package must not import.
type nativeHost struct {
	instances []Instance
	states    map[Slot][]byte
	kinds     map[Slot]int
	next      Slot
	failAt    float64 // a close that makes instance 0 report an error
	panicAt   float64 // a close that makes the host panic
	size      int     // bytes of a state; the first 40 count
}

func newNativeHost() *nativeHost {
	return &nativeHost{
		instances: []Instance{
			{Name: "ema(3)", Outputs: []string{"value"}, Version: "00000001", Warmup: 5},
			{Name: "last(3)", Outputs: []string{"sum", "n"}, Version: "00000001", Warmup: 3},
		},
		states: map[Slot][]byte{}, kinds: map[Slot]int{}, size: 40,
	}
}

func (h *nativeHost) Instances() []Instance { return h.instances }

func (h *nativeHost) Open(_ int32, i int, _ int64) (Slot, error) {
	h.next++
	h.states[h.next], h.kinds[h.next] = make([]byte, h.size), i
	return h.next, nil
}

func (h *nativeHost) Close(_ int32, s Slot) { delete(h.states, s) }

func (h *nativeHost) Apply(_ int32, jobs []Job) error {
	for i := range jobs {
		j := &jobs[i]
		state, ok := h.states[j.Slot]
		if !ok {
			return errors.New("no such slot")
		}
		if j.Preview {
			state = append([]byte(nil), state...)
		}
		j.Code = h.update(h.kinds[j.Slot], state, j)
		if j.Keep {
			j.State = append(j.State[:0], state...)
		}
	}
	return nil
}

// update keeps a count and up to four numbers in the state.
func (h *nativeHost) update(kind int, state []byte, j *Job) int32 {
	if kind == 0 && h.failAt != 0 && j.Bar.Close == h.failAt {
		return -4
	}
	if h.panicAt != 0 && j.Bar.Close == h.panicAt {
		panic("the host has a fault")
	}
	n := binary.LittleEndian.Uint64(state)
	at := func(i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(state[8*i:])) }
	set := func(i int, f float64) { binary.LittleEndian.PutUint64(state[8*i:], math.Float64bits(f)) }
	binary.LittleEndian.PutUint64(state, n+1)
	if kind == 0 {
		y := j.Bar.Close
		if n > 0 {
			y = at(1) + 0.5*(j.Bar.Close-at(1))
		}
		set(1, y)
		j.Out[0] = y
		return 1
	}
	set(3, at(2))
	set(2, at(1))
	set(1, j.Bar.Close)
	j.Out[0], j.Out[1] = math.NaN(), float64(n+1)
	if n >= 2 {
		j.Out[0] = at(1) + at(2) + at(3)
	}
	return 1
}

func (h *nativeHost) State(_ int32, s Slot, dst []byte) ([]byte, error) {
	return append(dst, h.states[s]...), nil
}

func (h *nativeHost) SetState(_ int32, s Slot, b []byte) error {
	copy(h.states[s], b)
	return nil
}

func (h *nativeHost) EncodeState(dst []byte, i int, _, lastOpen, n int64, state []byte) []byte {
	at := len(dst)
	dst = append(dst, byte(i))
	dst = appendI64(dst, lastOpen)
	dst = appendI64(dst, n)
	dst = appendText(dst, string(state))
	return binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(dst[at:]))
}

func (h *nativeHost) DecodeState(b []byte, i int, _ int64) ([]byte, int64, int64, []byte, error) {
	r := &reader{b: b}
	kind, lastOpen, n := int(r.u8()), r.i64(), r.i64()
	state := []byte(r.text())
	size := len(b) - len(r.b)
	sum := r.u32()
	if r.err != nil || sum != crc32.ChecksumIEEE(b[:size]) {
		return nil, 0, 0, nil, errors.New("the record is damaged")
	}
	if kind != i {
		return nil, 0, 0, r.b, ErrIncompatibleState
	}
	return state, lastOpen, n, r.b, nil
}

var _ Indicators = (*nativeHost)(nil)
