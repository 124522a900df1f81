package serve

// arenaBytes is the size of an arena's pieces: at some 600 bytes a record, one
// allocation serves a hundred.
const arenaBytes = 64 << 10

// arena gives memory to what leaves in the order in which it came, as the records
// of the ring do; a piece is free when the last of it is.
type arena struct {
	bytes []byte
}

// keep copies b; nil stays nil.
func (a *arena) keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) > cap(a.bytes)-len(a.bytes) {
		a.bytes = make([]byte, 0, max(arenaBytes, len(b)))
	}
	n := len(a.bytes)
	a.bytes = append(a.bytes, b...)
	return a.bytes[n:len(a.bytes):len(a.bytes)]
}
