package indicators

import "unsafe"

// StateSize is the length of the state of one instance in bytes, a multiple of
// 8 and at most 65536. It returns ErrUnknown for an id that is not built in and
// ErrParams if the number, the kind or the range of a parameter is wrong.
func StateSize(cfg *Cfg, params []float64) int32 {
	size, _ := SizeAt(cfg, params)
	return size
}

// Init writes every byte of a state of StateSize bytes, 8-aligned, and returns
// 0. Besides the errors of StateSize it returns ErrState if the slot is too
// short or misaligned.
func Init(cfg *Cfg, params []float64, state []byte) int32 {
	size := StateSize(cfg, params)
	if size < 0 {
		return size
	}
	if len(state) < int(size) {
		return ErrState
	}
	return InitAt(cfg, params, unsafe.Pointer(&state[0]))
}

// Update folds one bar into a state that Init wrote, and writes OutputCount
// doubles to out; a missing value is the NaN 0x7ff8000000000000. It returns
// Warming, Ready or an error; after ErrState and ErrInput nothing was written.
func Update(ind uint32, state []byte, bar *Bar, out []float64) int32 {
	if len(state) < int(unsafe.Sizeof(head{})) {
		return ErrState
	}
	p := unsafe.Pointer(&state[0])
	if uintptr(p)%8 != 0 || (*head)(p).size > uint32(len(state)) {
		return ErrState
	}
	n := OutputCount(ind)
	if n == 0 {
		return ErrUnknown
	}
	if bar == nil || len(out) < n {
		return ErrInput
	}
	return UpdateAt(ind, p, bar, unsafe.Pointer(&out[0]))
}

// Warmup is the number of bars of history after which the outputs no longer
// depend on where the history starts, up to e^-10 of the seed's weight;
// Forever if they always do. Errors are those of StateSize.
func Warmup(cfg *Cfg, params []float64) int32 {
	bars, _ := WarmupAt(cfg, params)
	return bars
}
