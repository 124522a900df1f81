package redis

import (
	"errors"
	"strconv"
	"strings"
)

// Kinds of keys.
const (
	keyPos = "pos" // hash: epoch, next
	keyHas = "has" // hash: key of a hash of bars or values -> its number of fields
	keyBar = "bar" // hash per series: open time -> ver|json
	keyInd = "ind" // hash per series: instance -> ver|json
	keyCur = "cur" // hash per symbol: interval -> ver|json of the forming bar
)

var errKey = errors.New("parsing a key: not a key of the view")

// key is what a Redis key says.
type key struct {
	prefix, mapping string
	p               int32
	kind            string
	parts           []string // symbol, interval
}

// String builds <prefix>:{<mapping>.<p>}:<kind>[:<length>:<part>..]. The tag in
// braces holds no user text, so all keys of a partition share a slot and no
// symbol can choose another; the lengths keep parts apart that contain colons.
func (k key) String() string {
	b := append(append([]byte(k.prefix), ":{"...), k.mapping...)
	b = strconv.AppendInt(append(b, '.'), int64(k.p), 10)
	b = append(append(b, "}:"...), k.kind...)
	for i, part := range k.parts {
		if i == 0 {
			b = append(b, ':')
		}
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(append(b, ':'), part...)
	}
	return string(b)
}

// parseKey is the inverse of String for prefixes and mappings without braces.
func parseKey(s string) (key, error) {
	var k key
	head, rest, ok := strings.Cut(s, ":{")
	if !ok {
		return k, errKey
	}
	tag, rest, ok := strings.Cut(rest, "}:")
	mapping, p, dot := strings.Cut(tag, ".")
	n, err := strconv.ParseInt(p, 10, 32)
	if !ok || !dot || err != nil || strconv.FormatInt(n, 10) != p {
		return k, errKey
	}
	k = key{prefix: head, mapping: mapping, p: int32(n)}
	k.kind, rest, ok = strings.Cut(rest, ":")
	if ok && rest == "" {
		return key{}, errKey
	}
	for rest != "" {
		size, tail, found := strings.Cut(rest, ":")
		n, err := strconv.Atoi(size)
		if !found || err != nil || n < 0 || n > len(tail) || strconv.Itoa(n) != size {
			return key{}, errKey
		}
		k.parts = append(k.parts, tail[:n])
		rest = tail[n:]
	}
	return k, nil
}

func (r *Redis) key(p int32, kind string, parts ...string) string {
	return key{r.cfg.KeyPrefix, r.cfg.MappingVersion, p, kind, parts}.String()
}

// pad16 writes a number so that text order is number order: Lua compares
// doubles, which end at 2^53.
func pad16(n int64) string { return pad(n, 16) }

func pad(n int64, width int) string {
	s := strconv.FormatInt(max(n, 0), 10)
	if len(s) >= width {
		return s
	}
	return strings.Repeat("0", width-len(s)) + s
}

// version orders what is written into one field: the position of the record
// that says it. Not the offset on klines, since a repeated older revision has a
// higher one.
func version(so, sk int64) string { return pad16(so) + "." + pad(sk, 9) }
