package serve

import (
	"errors"
	"math"
	"strconv"
)

// maxIDLen is the longest id that is looked at, in bytes.
const maxIDLen = 1024

// noPosition is the id of a reset. The client has dropped what it had, so until the
// last of the snapshots has given it a position it must not come back with the one
// it had before: another node may be able to go on from there, and the client would
// never see what lies before. Every node answers this id with a reset.
const noPosition = "v1.reset"

// MaxPartitions is the largest number of partitions whose ids stay below the
// 1 KiB that is accepted back from a client: 1,024 less the head, at 10 bytes a
// partition. With more of them an id that is longer is handed out as noPosition: a
// client that comes back is told everything anew instead of being refused for ever.
const MaxPartitions = 99

var (
	// errBadID is returned for an id with bytes outside the alphabet or beyond
	// 1 KiB: a client that was never given it by us. It is refused with 400.
	errBadID = errors.New("parsing an event id: not an id of this service")
	// errForeignID is returned for an id of another log or another shape. The
	// stream answers it with a reset.
	errForeignID = errors.New("parsing an event id: it belongs to another log")
)

// point is a place in one partition of klines: everything up to and including
// the record (so, sk) was handed out, or of that record only the frames up to sub if
// sub is not 0. A record gives several frames (a bar, its values), and a connection
// may end between two of them. Those that the record itself gives are counted from 1;
// one of a series on demand has the rank of its series.
type point struct {
	so, sk int64
	sub    int32
}

// nowhere is the point before the first record.
var nowhere = point{so: -1} //nolint:gochecknoglobals // a constant in all but syntax

func (a point) compare(b point) int {
	switch {
	case a.so != b.so:
		return order(a.so, b.so)
	case a.sk != b.sk:
		return order(a.sk, b.sk)
	}
	return order(a.depth(), b.depth())
}

func order(a, b int64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func (a point) depth() int64 {
	if a.sub == 0 {
		return math.MaxInt64
	}
	return int64(a.sub)
}

// after is the place right behind the whole record at a: below it are all positions
// of clients that have seen nothing later.
func (a point) after() point { return point{so: a.so, sk: a.sk + 1} }

// appendPoint writes so, so~sk or so~sk~sub in base 36, and _ for nowhere.
func appendPoint(dst []byte, a point) []byte {
	if a.so < 0 {
		return append(dst, '_')
	}
	dst = strconv.AppendInt(dst, a.so, 36)
	if a.sk > 0 || a.sub > 0 {
		dst = strconv.AppendInt(append(dst, '~'), a.sk, 36)
	}
	if a.sub > 0 {
		dst = strconv.AppendInt(append(dst, '~'), int64(a.sub), 36)
	}
	return dst
}

func appendHead(dst []byte, logID string) []byte {
	dst = append(dst, "v1."...)
	dst = append(dst, logID...)
	return append(dst, '.')
}

// appendPosition writes the id v1.<log id>.<p0>-<p1>..
func appendPosition(dst []byte, logID string, at []point) []byte {
	dst = appendHead(dst, logID)
	for i, a := range at {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = appendPoint(dst, a)
	}
	return dst
}

// appendEventID writes the position as an id that is accepted back.
func appendEventID(dst []byte, logID string, at []point) []byte {
	start := len(dst)
	if dst = appendPosition(dst, logID, at); len(dst)-start > maxIDLen {
		dst = append(dst[:start], noPosition...)
	}
	return dst
}

// CheckID reports whether s may be an id at all: at most 1 KiB, every byte from
// the alphabet of ids. Everything else about an id is answered inside the
// stream.
func CheckID(s string) bool {
	if len(s) > maxIDLen {
		return false
	}
	for i := range len(s) {
		if !idByte(s[i]) {
			return false
		}
	}
	return true
}

func idByte(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '.', '_', ':', ',', '@', '=', '/', '~', '-':
		return true
	}
	return false
}

// parsePosition reads an id of the given log with one point per partition. It
// accepts exactly what appendPosition writes.
func parsePosition(s, logID string, partitions int) ([]point, error) {
	if !CheckID(s) {
		return nil, errBadID
	}
	head := string(appendHead(nil, logID))
	if len(s) < len(head) || s[:len(head)] != head {
		return nil, errForeignID
	}
	rest := s[len(head):]
	at := make([]point, 0, partitions)
	for {
		a, n, ok := parsePoint(rest)
		if !ok || len(at) == partitions {
			return nil, errForeignID
		}
		at = append(at, a)
		rest = rest[n:]
		if rest == "" {
			break
		}
		if rest[0] != '-' {
			return nil, errForeignID
		}
		rest = rest[1:]
	}
	if len(at) != partitions {
		return nil, errForeignID
	}
	return at, nil
}

func parsePoint(s string) (a point, n int, ok bool) {
	if s != "" && s[0] == '_' {
		return nowhere, 1, true
	}
	var v [3]int64
	i, field := 0, 0
	for {
		x, w, good := parse36(s[i:])
		if !good {
			return point{}, 0, false
		}
		v[field] = x
		i += w
		field++
		if i == len(s) || s[i] != '~' || field == len(v) {
			break
		}
		i++
	}
	a = point{so: v[0], sk: v[1], sub: int32(min(v[2], math.MaxInt32))}
	canonical := v[2] <= math.MaxInt32 && (field != 2 || a.sk > 0) && (field != 3 || a.sub > 0)
	return a, i, canonical
}

// parse36 reads lower-case base 36 without leading zeros.
func parse36(s string) (v int64, n int, ok bool) {
	for n < len(s) {
		d := int64(-1)
		switch c := s[n]; {
		case c >= '0' && c <= '9':
			d = int64(c - '0')
		case c >= 'a' && c <= 'z':
			d = int64(c-'a') + 10
		}
		if d < 0 {
			break
		}
		if v > (math.MaxInt64-d)/36 {
			return 0, 0, false
		}
		v = v*36 + d
		n++
	}
	if n == 0 || n > 1 && s[0] == '0' {
		return 0, 0, false
	}
	return v, n, true
}
