package core

import (
	"encoding/binary"
	"errors"
)

// errDamaged is the cause of every error about the bytes of a snapshot.
var errDamaged = errors.New("snapshot is damaged")

// timeBound is beyond every event time an int64 of nanoseconds can hold, in ms.
// Times read from a snapshot lie below it, so no sum of them overflows.
const timeBound = 1e13

// writer appends the parts of a snapshot.
type writer struct{ b []byte }

func (w *writer) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)    { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) byte(v byte)    { w.b = append(w.b, v) }
func (w *writer) word(v uint64)  { w.b = binary.LittleEndian.AppendUint64(w.b, v) }
func (w *writer) text(s string)  { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) short(v uint16) { w.b = binary.LittleEndian.AppendUint16(w.b, v) }

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

// section appends one section; its length is set behind fill.
func (w *writer) section(id uint16, fill func()) {
	w.short(id)
	at := len(w.b)
	w.b = append(w.b, 0, 0, 0, 0)
	fill()
	binary.LittleEndian.PutUint32(w.b[at:], uint32(len(w.b)-at-4))
}

// reader takes a snapshot apart. The first thing wrong sets bad; from then on it
// yields zeros, so loops over what it yields end.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.bad, r.b = true, nil }

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) word() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) short() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) bool() bool {
	b := r.byte()
	if b > 1 {
		r.fail()
	}
	return b == 1
}

func (r *reader) sum() Int128 { return Int128{Hi: r.int(), Lo: r.uint()} }

// time reads ms within the bounds that arithmetic relies on, or never.
func (r *reader) time() int64 {
	v := r.int()
	if v != never && (v < -timeBound || v > timeBound) {
		r.fail()
		return 0
	}
	return v
}

// count reads the number of elements that follow, none shorter than least
// bytes: a damaged length must not allocate more than the snapshot itself.
func (r *reader) count(least int) int {
	n := r.uint()
	if n > uint64(len(r.b)/least) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) text(longest int) string {
	n := r.count(1)
	if n > longest {
		r.fail()
	}
	return string(r.take(n))
}
