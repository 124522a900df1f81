package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// MaxRestatedPoints is the largest number of points in one record of restated
// values; more are spread over several, numbered by HeaderPart.
const MaxRestatedPoints = 1000

// RestatedRecord is a record of the topic `klines` with HeaderKind =
// KindRestated: values of one indicator instance that a restated bar changed.
type RestatedRecord struct {
	Sym, Itv, Ind string
	Rev           int32
	Seq           int64
	Why, Ver      string
	// T are open times, ms UTC.
	T []int64
	// V holds one column per output: V[output][point], raw JSON numbers, nil
	// for null. Each is as long as T.
	V [][][]byte
	// Outputs are the names of the columns in manifest order; empty if the
	// writer gave none.
	Outputs []string
}

// AppendRestated appends the body of restated values. v has one column per
// output, outputs names them, each column is as long as t.
func AppendRestated(dst []byte, sym, itv, name string, rev int32, seq int64, why, ver string, t []int64, v [][]float64, outputs []string) []byte {
	dst = appendText(append(dst, `{"sym":`...), sym)
	dst = appendText(append(dst, `,"itv":`...), itv)
	dst = appendText(append(dst, `,"ind":`...), name)
	dst = appendInt(dst, `,"rev":`, int64(rev))
	dst = appendInt(dst, `,"seq":`, seq)
	dst = appendText(append(dst, `,"why":`...), why)
	dst = appendText(append(dst, `,"ver":`...), ver)
	dst = append(dst, `,"t":[`...)
	for i, at := range t {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, at, 10)
	}
	dst = append(dst, `],"v":[`...)
	for i, column := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloats(dst, column)
	}
	dst = append(dst, `],"out":[`...)
	for i, output := range outputs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(dst, output)
	}
	return append(dst, "]}"...)
}

// DecodeRestated reads the body of restated values. Errors name the key; after
// one r is undefined. Restatements are rare, so this is encoding/json.
func DecodeRestated(value []byte, r *RestatedRecord) error {
	m := parseMembers("restated values", value)
	if m.err != nil {
		return m.err
	}
	*r = RestatedRecord{
		Sym: m.text("sym"), Itv: m.text("itv"), Ind: m.text("ind"),
		Rev: int32(m.int("rev", 0, math.MaxInt32)), Seq: m.int("seq", 0, math.MaxInt64),
		Why: m.text("why"), Ver: m.text("ver"),
	}
	if m.err != nil {
		return m.err
	}
	if err := json.Unmarshal(m.keys["t"], &r.T); err != nil {
		return fmt.Errorf("decoding restated values: key %q is not an array of open times", "t")
	}
	if raw, found := m.keys["out"]; found && json.Unmarshal(raw, &r.Outputs) != nil {
		return fmt.Errorf("decoding restated values: key %q is not an array of names", "out")
	}
	return r.columns(&m)
}

func (r *RestatedRecord) columns(m *members) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(m.keys["v"], &raw); err != nil {
		return fmt.Errorf("decoding restated values: key %q is not an array of columns", "v")
	}
	if len(r.Outputs) > 0 && len(raw) != len(r.Outputs) {
		return fmt.Errorf("decoding restated values: %d columns for %d outputs", len(raw), len(r.Outputs))
	}
	for i, column := range raw {
		one := members{keys: map[string]json.RawMessage{"v": column}}
		v := one.numbers("v")
		if one.err != nil {
			return one.err
		}
		if len(v) != len(r.T) {
			return fmt.Errorf("decoding restated values: column %d has %d points for %d times", i, len(v), len(r.T))
		}
		r.V = append(r.V, v)
	}
	return nil
}
