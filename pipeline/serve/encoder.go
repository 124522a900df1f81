package serve

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// encoder builds the frames of one record in one buffer, so that a bar and its
// values are one copy.
type encoder struct {
	// before and after surround the point of the record's partition in the id.
	before, after []byte
	buf           []byte
	id            []byte
	json          []byte
	cuts          []cutting
}

// cutting is one frame before the buffer has its final place.
type cutting struct {
	series     *series
	kind       kind
	at         point
	start, end int
	body       int
}

// partition prepares the id around partition p.
func (e *encoder) partition(logID string, at []point, p int) {
	e.before = appendHead(e.before[:0], logID)
	for i := range p {
		e.before = append(appendPoint(e.before, at[i]), '-')
	}
	e.after = e.after[:0]
	for _, a := range at[p+1:] {
		e.after = appendPoint(append(e.after, '-'), a)
	}
}

func (e *encoder) reset() {
	e.buf = e.buf[:0]
	e.cuts = e.cuts[:0]
}

// event appends one block with the JSON in e.json. It reports whether the
// framer took it.
func (e *encoder) event(s *series, k kind, at point, name string) bool {
	e.id = e.id[:0]
	if k != kindForming {
		e.id = append(e.id, e.before...)
		e.id = appendPoint(e.id, at)
		e.id = append(e.id, e.after...)
	}
	start := len(e.buf)
	buf, body, ok := appendEvent(e.buf, e.id, name, e.json)
	if !ok {
		return false
	}
	e.buf = buf
	e.cuts = append(e.cuts, cutting{series: s, kind: k, at: at, start: start, end: len(buf), body: body})
	return true
}

// frames returns what was built, in memory of its own.
func (e *encoder) frames() []frame {
	if len(e.cuts) == 0 {
		return nil
	}
	mem, out := bytes.Clone(e.buf), make([]frame, len(e.cuts))
	for i := range e.cuts {
		c := &e.cuts[i]
		out[i] = frame{series: c.series, kind: c.kind, at: c.at, event: mem[c.start:c.end:c.end], body: c.body}
	}
	return out
}

// appendKline writes the kline object: the exact decimals of the record as JSON
// numbers.
func appendKline(dst []byte, k *wire.KlineRecord) []byte {
	dst = appendIdentity(dst, k.Sym, k.Itv)
	dst = appendInt(dst, `,"t":`, k.T)
	dst = appendInt(dst, `,"T":`, k.CloseT)
	dst = appendRaw(dst, `,"o":`, k.O)
	dst = appendRaw(dst, `,"h":`, k.H)
	dst = appendRaw(dst, `,"l":`, k.L)
	dst = appendRaw(dst, `,"c":`, k.C)
	dst = appendRaw(dst, `,"v":`, k.V)
	dst = appendRaw(dst, `,"qv":`, k.QV)
	dst = appendInt(dst, `,"n":`, k.N)
	dst = appendRaw(dst, `,"bv":`, k.BV)
	dst = appendRaw(dst, `,"bqv":`, k.BQV)
	dst = appendRaw(dst, `,"vwap":`, k.VWAP)
	dst = appendID(append(dst, `,"f":`...), k.FirstID)
	dst = appendID(append(dst, `,"L":`...), k.LastID)
	dst = strconv.AppendBool(append(dst, `,"final":`...), k.Final)
	dst = appendInt(dst, `,"rev":`, int64(k.Rev))
	dst = appendInt(dst, `,"seq":`, k.Seq)
	dst = appendText(append(dst, `,"q":`...), k.Q)
	if k.Rev > 0 && k.Why != "" {
		dst = appendText(append(dst, `,"why":`...), k.Why)
	}
	return append(dst, '}')
}

func appendIdentity(dst []byte, sym, itv string) []byte {
	dst = append(append(dst, `{"sym":"`...), sym...) // neither alphabet needs escapes
	dst = append(append(dst, `","itv":"`...), itv...)
	return append(dst, '"')
}

func appendInt(dst []byte, key string, v int64) []byte {
	return strconv.AppendInt(append(dst, key...), v, 10)
}

func appendRaw(dst []byte, key string, v []byte) []byte {
	return append(append(dst, key...), v...)
}

// appendID writes the raw JSON of a trade id. Ids are foreign text; what a page
// might take for markup is escaped, whoever wrote the topic.
func appendID(dst, id []byte) []byte {
	if len(id) == 0 {
		return append(dst, "-1"...)
	}
	if id[0] != '"' || !bytes.ContainsAny(id, "<>&\u2028\u2029") {
		return append(dst, id...)
	}
	var b bytes.Buffer
	json.HTMLEscape(&b, id)
	return append(dst, b.Bytes()...)
}

// appendText writes s as a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			b, err := json.Marshal(s)
			if err != nil { // a string always encodes
				return append(dst, `""`...)
			}
			return append(dst, b...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
