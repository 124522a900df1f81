package schedule

import (
	"encoding/binary"
	"hash/crc32"
)

// link is what the headers of a state record say.
type link struct {
	wr       int   // nonce of the incarnation
	part, of int   // 0 of 0 for a mark
	full     int64 // offset of part 1
	to, jn   int64
	rules    int // of the configuration that made the state
}

// saved is a checkpoint that was read back.
type saved struct {
	to, jn    int64
	rules     int
	body      []byte
	published published
}

// published is a place in the input and in the journal: what stands before it
// has its outputs on the topics.
type published struct{ to, jn int64 }

// seal puts a checksum in front of a body, so that damage is seen.
func seal(body []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(body, castagnoli)), body...)
}

func unseal(frame []byte) ([]byte, bool) {
	if len(frame) < 4 || crc32.Checksum(frame[4:], castagnoli) != binary.LittleEndian.Uint32(frame) {
		return nil, false
	}
	return frame[4:], true
}

// newest returns the newest checkpoint of recs that is complete and sound, by
// the offset of its first part. damaged tells that a complete one was unusable.
func newest(recs []*record) (cp *saved, damaged bool) {
	for i := len(recs) - 1; i >= 0; i-- {
		if recs[i].link.part != 1 {
			continue
		}
		frame, ok := join(recs[i:])
		if !ok {
			continue
		}
		body, ok := unseal(frame)
		if !ok {
			damaged = true
			continue
		}
		l := recs[i].link
		return &saved{to: l.to, jn: l.jn, rules: l.rules, body: body, published: furthest(recs, published{l.to, l.jn})}, damaged
	}
	return nil, damaged
}

// furthest is what the furthest record says, checkpoint or mark.
func furthest(recs []*record, at published) published {
	for _, r := range recs {
		if r.link.part == r.link.of {
			at.to, at.jn = max(at.to, r.link.to), max(at.jn, r.link.jn)
		}
	}
	return at
}

// join puts the parts of the checkpoint that begins at recs[0] together.
func join(recs []*record) ([]byte, bool) {
	first := recs[0]
	frame := []byte(first.value)
	want := 2
	for _, r := range recs[1:] {
		if want > first.link.of {
			break
		}
		if r.link.wr == first.link.wr && r.link.full == first.offset && r.link.part == want {
			frame = append(frame, r.value...)
			want++
		}
	}
	return frame, want > first.link.of
}
