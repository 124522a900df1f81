//go:build wasip1

package main

import (
	"math"
	"unsafe"
)

// This file is yours: the indicators of manifest.json, by id. Everything that
// an indicator remembers stands in its state, as plain numbers: the host moves
// it, copies it for previews, stores it and continues it on another machine.
// No pointers, no globals, no make or append in an update.

const (
	idSMA = iota
	idEMA
	idBands
	idCCI
)

// window holds the last n values; the values themselves lie behind it.
type window struct {
	n, at, filled, _ uint32
	sum              float64
	mult             float64 // of bands
}

// average is an exponential moving average.
type average struct {
	n, seen  uint32
	k, value float64
}

const windowSize = uint32(unsafe.Sizeof(window{}))

// stateSize is the number of bytes of a state, or an error code: it checks
// the parameters.
func stateSize(ind uint32, p []float64) int32 {
	switch {
	case ind == idSMA && len(p) == 1 && whole(p[0], 1, 1000),
		ind == idBands && len(p) == 2 && whole(p[0], 2, 400) && between(p[1], 0, 10),
		ind == idCCI && len(p) == 1 && whole(p[0], 2, 200):
		return int32(windowSize + 8*uint32(p[0]))
	case ind == idEMA && len(p) == 1 && whole(p[0], 1, 1000):
		return int32(unsafe.Sizeof(average{}))
	case ind > idCCI:
		return errIndicator
	}
	return errParams
}

// start fills a state whose bytes are all zero.
func start(ind uint32, p []float64, state unsafe.Pointer) {
	if ind == idEMA {
		a := (*average)(state)
		a.n = uint32(p[0])
		a.k = 2 / (p[0] + 1)
		return
	}
	w := (*window)(state)
	w.n = uint32(p[0])
	if ind == idBands {
		w.mult = p[1]
	}
}

// warmup is the number of bars after which it does not matter any more where
// the series began.
func warmup(ind uint32, p []float64) int32 {
	if ind == idEMA {
		return int32(p[0])*12 + 12
	}
	return int32(p[0])
}

// update takes one bar and writes one number per output of the manifest.
func update(ind uint32, state unsafe.Pointer, b *Bar, out *[16]float64) int32 {
	switch ind {
	case idSMA:
		w := (*window)(state)
		w.push(b.Src)
		if w.filled < w.n {
			return warming
		}
		out[0] = w.sum / float64(w.n)
	case idEMA:
		return (*average)(state).update(b.Src, out)
	case idBands:
		return (*window)(state).bands(b.Src, out)
	case idCCI:
		return (*window)(state).cci((b.High+b.Low+b.Close)/3, out)
	default:
		return errIndicator
	}
	return ready
}

// values are the numbers behind a window.
func (w *window) values() []float64 {
	return unsafe.Slice((*float64)(unsafe.Add(unsafe.Pointer(w), windowSize)), w.n)
}

// push puts a value into the window. Once around, the sum is built anew, so
// that rounding cannot add up and one absurd price is forgotten.
func (w *window) push(x float64) {
	values := w.values()
	old := values[w.at]
	values[w.at] = x
	w.at++
	if w.filled < w.n {
		w.filled++
	}
	if w.at < w.n {
		w.sum += x - old
		return
	}
	w.at = 0
	w.sum = total(values)
}

// The loops stand in functions of their own: in Go's wasm code each turn of a
// loop pays fuel for the whole function around it.

//go:noinline
func total(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum
}

//go:noinline
func squares(values []float64, mean float64) float64 {
	sum := 0.0
	for _, v := range values {
		d := v - mean
		sum += float64(d * d)
	}
	return sum
}

//go:noinline
func distances(values []float64, mean float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Abs(v - mean)
	}
	return sum
}

func (a *average) update(x float64, out *[16]float64) int32 {
	switch {
	case a.seen < a.n:
		// It begins with the mean of the first n values.
		a.seen++
		a.value += x
		if a.seen < a.n {
			return warming
		}
		a.value /= float64(a.n)
	default:
		a.value += float64(a.k * (x - a.value))
	}
	out[0] = a.value
	return ready
}

func (w *window) bands(x float64, out *[16]float64) int32 {
	w.push(x)
	if w.filled < w.n {
		return warming
	}
	mean := w.sum / float64(w.n)
	half := float64(w.mult * math.Sqrt(squares(w.values(), mean)/float64(w.n)))
	out[0] = mean + half
	out[1] = mean
	out[2] = mean - half
	return ready
}

func (w *window) cci(x float64, out *[16]float64) int32 {
	w.push(x)
	if w.filled < w.n {
		return warming
	}
	mean := w.sum / float64(w.n)
	dev := distances(w.values(), mean) / float64(w.n)
	if dev <= float64(1e-14*math.Abs(mean)) { // a flat window, but for rounding
		out[0] = 0
		return ready
	}
	out[0] = (x - mean) / float64(0.015*dev)
	return ready
}

// whole tells whether v is a whole number from low to high. NaN is not.
func whole(v, low, high float64) bool { return between(v, low, high) && v == math.Trunc(v) }

func between(v, low, high float64) bool { return v >= low && v <= high }
