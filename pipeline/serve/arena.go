package serve

// Sizes of an arena's pieces: at about 2 KB a record, one allocation serves
// thirty.
const (
	arenaBytes  = 64 << 10
	arenaFrames = 128
)

// arena gives memory to frames that leave in the order in which they came, as
// those of the ring do; a piece is free when the last of its frames is. Forming
// frames must not use it: one of a quiet series would keep a whole piece.
type arena struct {
	bytes  []byte
	frames []frame
}

// keep copies b.
func (a *arena) keep(b []byte) []byte {
	if len(b) > cap(a.bytes)-len(a.bytes) {
		a.bytes = make([]byte, 0, max(arenaBytes, len(b)))
	}
	n := len(a.bytes)
	a.bytes = append(a.bytes, b...)
	return a.bytes[n:len(a.bytes):len(a.bytes)]
}

// take returns n frames.
func (a *arena) take(n int) []frame {
	if n > cap(a.frames)-len(a.frames) {
		a.frames = make([]frame, 0, max(arenaFrames, n))
	}
	m := len(a.frames)
	a.frames = a.frames[:m+n]
	return a.frames[m : m+n : m+n]
}
