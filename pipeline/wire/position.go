package wire

import (
	"errors"
	"fmt"
	"strconv"
)

// Position is the place of an output in its partition: the input offset of the
// record that caused it (of a decision: its `at`) and the ordinal among the
// outputs of that record.
type Position struct {
	// So is the input offset.
	So int64
	// Sk is the ordinal.
	Sk int64
}

// ErrPosition means that the position headers of an output are no numbers. A
// reader cannot order such a record and must treat it as foreign.
var ErrPosition = errors.New("position headers so and sk are not decimal numbers")

// ParsePosition reads the values of the headers `so` and `sk`.
func ParsePosition(so, sk []byte) (Position, error) {
	o, ok := canonicalInt(so)
	k, okOrdinal := canonicalInt(sk)
	if !ok || !okOrdinal || o < 0 || k < 0 {
		return Position{}, fmt.Errorf("parsing position %q, %q: %w", cut(string(so)), cut(string(sk)), ErrPosition)
	}
	return Position{So: o, Sk: k}, nil
}

// After reports whether p is above q. Readers keep the highest position of a
// partition and drop what is not after it: those are repeats.
func (p Position) After(q Position) bool {
	return p.So > q.So || p.So == q.So && p.Sk > q.Sk
}

// AppendOffset appends the value of the header `so`.
func (p Position) AppendOffset(dst []byte) []byte { return strconv.AppendInt(dst, p.So, 10) }

// AppendOrdinal appends the value of the header `sk`.
func (p Position) AppendOrdinal(dst []byte) []byte { return strconv.AppendInt(dst, p.Sk, 10) }

// String returns `so.sk`, for logs.
func (p Position) String() string {
	return strconv.FormatInt(p.So, 10) + "." + strconv.FormatInt(p.Sk, 10)
}
