package indicators

import "unsafe"

// maxState is the longest state the ABI allows, in bytes.
const maxState = 65536

// check reads every parameter and returns the state's length in bytes, or an
// error.
func check(cfg *Cfg, a *args) int32 {
	size := sizeOf(cfg.Ind, a)
	if size == 0 {
		return ErrUnknown
	}
	if a.bad != argsFine || size > maxState {
		return ErrParams
	}
	return int32(size)
}

// SizeAt is StateSize for a guest. It also names the bad parameter.
func SizeAt(cfg *Cfg, params []float64) (size, bad int32) {
	a := args{p: params}
	size = check(cfg, &a)
	return size, a.bad
}

// InitAt is Init for a guest: the caller vouches that the slot is as long as
// StateSize says.
func InitAt(cfg *Cfg, params []float64, state unsafe.Pointer) int32 {
	a := args{p: params}
	size := check(cfg, &a)
	if size < 0 {
		return size
	}
	if state == nil || uintptr(state)%8 != 0 {
		return ErrState
	}
	wipe(state, uint32(size))
	h := (*head)(state)
	h.ind = cfg.Ind
	h.size = uint32(size)
	start(cfg, &a, state)
	return 0
}

// wipe zeroes the slot. Padding and windows are part of the state: it is
// stored, hashed and compared as bytes, and what was in memory before must not
// show. Sizes are multiples of 8.
func wipe(p unsafe.Pointer, size uint32) {
	words := unsafe.Slice((*uint64)(p), size/8)
	for i := range words {
		words[i] = 0
	}
}

// UpdateAt is Update for a guest: the caller vouches for the lengths of the
// slot and of the output row.
func UpdateAt(ind uint32, state unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	if state == nil {
		return ErrState
	}
	if b == nil || out == nil {
		return ErrInput
	}
	if (*head)(state).ind != ind {
		return wrongState(ind)
	}
	return step(ind, state, b, out)
}

// wrongState tells an id that does not exist from a slot of another indicator.
func wrongState(ind uint32) int32 {
	if OutputCount(ind) == 0 {
		return ErrUnknown
	}
	return ErrState
}

// WarmupAt is Warmup for a guest. It also names the bad parameter.
func WarmupAt(cfg *Cfg, params []float64) (bars, bad int32) {
	a := args{p: params}
	if size := check(cfg, &a); size < 0 {
		return size, a.bad
	}
	return warmup(cfg, &a), a.bad
}
