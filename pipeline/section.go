package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sections of a checkpoint's body. A reader skips an unknown one below
// sectionRequired, so that an older program can read what a newer one wrote,
// and refuses one above.
const (
	sectionWorker   = 0x0001
	sectionCore     = 0x0002
	sectionValues   = 0x0003
	sectionRules    = 0x0004
	sectionRequired = 0x8000
)

var errShort = errors.New("the bytes end in the middle")

// appendSection appends a section whose bytes write appends.
func appendSection(dst []byte, id uint16, write func([]byte) []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, id)
	at := len(dst)
	dst = write(binary.LittleEndian.AppendUint32(dst, 0))
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// readSections calls use for each known section of body.
func readSections(body []byte, use map[uint16]func([]byte) error) error {
	for len(body) > 0 {
		if len(body) < 6 {
			return fmt.Errorf("reading a section's head: %w", errShort)
		}
		id, n := binary.LittleEndian.Uint16(body), binary.LittleEndian.Uint32(body[2:])
		body = body[6:]
		if uint64(n) > uint64(len(body)) {
			return fmt.Errorf("reading section %#x: %d bytes announced, %d left: %w", id, n, len(body), errShort)
		}
		f, known := use[id]
		if !known && id >= sectionRequired {
			return fmt.Errorf("section %#x is of a newer version and must not be skipped", id)
		}
		if known {
			if err := f(body[:n]); err != nil {
				return fmt.Errorf("reading section %#x: %w", id, err)
			}
		}
		body = body[n:]
	}
	return nil
}

// reader takes fields off the head of a section. After the first field that is
// not there all others are zero, and err says so once.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		if r.err == nil {
			r.err = errShort
		}
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) i64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *reader) text() string { return string(r.take(int(r.u32()))) }

func appendText(dst []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func appendI64(dst []byte, v int64) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(v))
}
