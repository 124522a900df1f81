package pipeline

import "github.com/caddy-kline/caddy-kline/pipeline/kafka"

// arenaChunk is the size of one piece of an arena: some 200 records.
const arenaChunk = 64 << 10

// arenaKept is how many chunks outlive a unit, 1 MiB of bytes: a burst must not
// be remembered for ever, three units per partition.
const arenaKept = 16

// arena holds the bytes and headers of the records of one unit, so that a
// record costs no allocation of its own. Slices stay valid until reset: a full
// chunk is left alone and a new one begun, never grown in place.
type arena struct {
	chunks  [][]byte
	used    int // chunks in use
	headers [][]kafka.Header
	hused   int
}

// bytes returns what write appends to an empty slice.
func (a *arena) bytes(write func(dst []byte) []byte) []byte {
	b := a.tail()
	at := len(b)
	grown := write(b)
	if len(grown) <= cap(b) {
		a.chunks[a.used-1] = grown
		return grown[at:len(grown):len(grown)]
	}
	// The chunk was too small: append moved everything. Keep the record alone.
	return append([]byte(nil), grown[at:]...)
}

func (a *arena) tail() []byte {
	if a.used > 0 && cap(a.chunks[a.used-1])-len(a.chunks[a.used-1]) >= 4<<10 {
		return a.chunks[a.used-1]
	}
	if a.used == len(a.chunks) {
		a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
	}
	a.used++
	return a.chunks[a.used-1]
}

// header returns a slice of n headers.
func (a *arena) header(n int) []kafka.Header {
	const chunk = 1024
	if a.hused == 0 || cap(a.headers[a.hused-1])-len(a.headers[a.hused-1]) < n {
		if a.hused == len(a.headers) {
			a.headers = append(a.headers, make([]kafka.Header, 0, chunk))
		}
		a.hused++
	}
	h := a.headers[a.hused-1]
	at := len(h)
	a.headers[a.hused-1] = h[:at+n]
	return h[at : at+n : at+n]
}

// size is how many bytes the chunks in use can hold.
func (a *arena) size() int { return a.used * arenaChunk }

// reset gives all memory back for the next unit. Nothing that was handed out
// may be read after it.
func (a *arena) reset() {
	if len(a.chunks) > arenaKept {
		a.chunks = append([][]byte(nil), a.chunks[:arenaKept]...)
	}
	if len(a.headers) > arenaKept {
		a.headers = append([][]kafka.Header(nil), a.headers[:arenaKept]...)
	}
	a.used, a.hused = min(a.used, arenaKept), min(a.hused, arenaKept)
	for i := range a.used {
		a.chunks[i] = a.chunks[i][:0]
	}
	for i := range a.hused {
		a.headers[i] = a.headers[i][:0]
	}
	a.used, a.hused = 0, 0
}
