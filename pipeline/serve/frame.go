package serve

import "bytes"

// kind is what a frame says about its series.
type kind uint8

const (
	kindForming kind = iota
	kindClosed
	kindRevise
	kindReset
)

// Names of the events of a stream, the whole list.
const (
	eventKline     = "kline"
	eventIndicator = "indicator"
	eventRevise    = "revise"
	eventSnapshot  = "snapshot"
	eventReset     = "reset"
	eventPos       = "pos"
	eventBye       = "bye"
)

// frame is one event, encoded once and never changed: every subscriber writes
// the same bytes. It is made where somebody listens; who comes back later gets what
// the ring's records give.
type frame struct {
	series *series
	// event is the whole block including the empty line; body is where the
	// line "event:" begins, so that a resumed stream can put its own id first.
	event []byte
	body  int
	// at is the position of a non-forming frame in its partition.
	at   point
	kind kind
}

// appendEvent writes one block: id (if not empty), event and exactly one data
// line. It is the only framer. Data with a byte that would end a line or a
// field is not written at all, and false is returned: such data would let text
// from a trade speak as an event of its own. An id that nobody may come back with is
// none of a position.
func appendEvent(dst, id []byte, event string, data []byte) (out []byte, body int, ok bool) {
	if bad(data) || bad(id) {
		return dst, 0, false
	}
	if len(id) > maxIDLen {
		id = []byte(noPosition)
	}
	start := len(dst)
	if len(id) > 0 {
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		dst = append(dst, '\n')
	}
	body = len(dst) - start
	dst = append(dst, "event: "...)
	dst = append(dst, event...)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, data...)
	return append(dst, '\n', '\n'), body, true
}

func bad(b []byte) bool {
	return bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 || bytes.IndexByte(b, 0) >= 0
}
