package guard

import (
	"fmt"
	"unicode/utf8"
)

// reader reads a part of the file. The first mistake is kept, and from then on
// the part is at its end: callers look at bad once per item, and no loop goes
// on over nothing.
type reader struct {
	b       []byte
	pos     int // in the whole file
	end     int
	section string
	bad     *Finding
}

func (r *reader) left() int { return r.end - r.pos }

// fail keeps the first finding.
func (r *reader) fail(at int, code Code, format string, args ...any) {
	if r.bad == nil {
		r.bad = &Finding{Code: code, Section: r.section, Offset: at, Message: fmt.Sprintf(format, args...)}
	}
	r.pos = r.end
}

// over keeps the finding of a limit.
func (r *reader) over(at int, limit string, got int64, allowed int) {
	if r.bad == nil {
		r.bad = &Finding{
			Code: CodeLimit, Section: r.section, Offset: at, Limit: limit, Got: got, Allowed: int64(allowed),
			Message: fmt.Sprintf("%s: %d, allowed are %d", limit, got, allowed),
		}
	}
	r.pos = r.end
}

func (r *reader) truncated() {
	r.fail(r.end, CodeTruncated, "the section ends in the middle of an item")
}

func (r *reader) byte() byte {
	if r.pos >= r.end {
		r.truncated()
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

// bytes returns a view of the next n bytes.
func (r *reader) bytes(n int) []byte {
	if n < 0 || n > r.left() {
		r.truncated()
		return nil
	}
	b := r.b[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// u32 reads an unsigned number of at most 5 bytes. Padding with zeros is
// legal, and linkers use it.
func (r *reader) u32() uint32 {
	if r.pos < r.end && r.b[r.pos] < 0x80 {
		r.pos++
		return uint32(r.b[r.pos-1])
	}
	return r.longU32()
}

func (r *reader) longU32() uint32 {
	at := r.pos
	var v uint32
	for shift := uint(0); shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			r.fail(at, CodeNumber, "an unsigned number has more than 32 bits")
			return 0
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	return v // not reached: the fifth byte is below 0x10
}

// signed reads a signed number of 32 or 64 bits. The bits of the last byte
// that have no place in the number must repeat its sign.
func (r *reader) signed(bits uint) int64 {
	at := r.pos
	var v int64
	for shift := uint(0); ; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if rest := bits - shift; rest <= 7 {
			sign := byte(0x7f) &^ (1<<(rest-1) - 1) // the sign bit and what repeats it
			if high := c & sign; c >= 0x80 || high != 0 && high != sign {
				r.fail(at, CodeNumber, "a signed number has more than %d bits", bits)
			}
			return v
		}
		if c < 0x80 {
			return v << (57 - shift) >> (57 - shift)
		}
	}
}

// count reads the number of items of a vector. It is compared with the limit
// and with what the bytes that are left can hold, before anybody counts on it.
func (r *reader) count(limit string, allowed, smallest int) int {
	at := r.pos
	n := r.number(limit, allowed)
	if n > r.left()/smallest {
		r.fail(at, CodeTruncated, "%s: %d are announced, the section has bytes for %d", limit, n, r.left()/smallest)
		return 0
	}
	return n
}

// number reads a number with a limit.
func (r *reader) number(limit string, allowed int) int {
	at := r.pos
	n := r.u32()
	if uint64(n) > uint64(allowed) {
		r.over(at, limit, int64(n), allowed)
		return 0
	}
	return int(n)
}

// name reads a name of valid UTF-8.
func (r *reader) name() []byte {
	at := r.pos
	b := r.bytes(r.number("bytes of a name", maxNameBytes))
	if !utf8.Valid(b) {
		r.fail(at, CodeSection, "a name is not UTF-8")
	}
	return b
}
