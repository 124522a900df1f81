package wire

import (
	"fmt"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// TimeUnit is how a mapping declares the event time. Nothing is guessed from
// the size of a number.
type TimeUnit uint8

// The units of an event time. Seconds may carry a fraction; RFC 3339 is a
// string with a zone.
const (
	UnitMillis TimeUnit = iota
	UnitSeconds
	UnitMicros
	UnitNanos
	UnitRFC3339
)

var timeUnitNames = [...]string{"ms", "s", "us", "ns", "rfc3339"}

// String returns the unit's word.
func (u TimeUnit) String() string { return timeUnitNames[u] }

// ParseTimeUnit returns the unit that a word names.
func ParseTimeUnit(word string) (TimeUnit, error) {
	if i := slices.Index(timeUnitNames[:], word); i >= 0 {
		return TimeUnit(i), nil
	}
	return 0, fmt.Errorf("unrecognized time_unit %q (allowed: s, ms, us, ns, rfc3339)", cut(word))
}

// SideOf says whose side the field `side` names.
type SideOf uint8

// Whose side it is. SideOfMaker is inverted, since a trade's side is always the
// taker's here; with SideOfNone the field is not read.
const (
	SideOfTaker SideOf = iota
	SideOfMaker
	SideOfNone
)

var sideOfNames = [...]string{"taker", "maker", "none"}

// String returns the word of s.
func (s SideOf) String() string { return sideOfNames[s] }

// ParseSideOf returns what a word names.
func ParseSideOf(word string) (SideOf, error) {
	if i := slices.Index(sideOfNames[:], word); i >= 0 {
		return SideOf(i), nil
	}
	return 0, fmt.Errorf("unrecognized side_of %q (allowed: taker, maker, none)", cut(word))
}

// Mapping says where the fields of a trade stand in a record. The zero value is
// the generic trade JSON: each field under its own name, time in milliseconds,
// the taker's side.
type Mapping struct {
	// Paths places fields; an empty path means the field's own name.
	Paths [NumFields]Path
	// TimeUnit is the unit of FieldTS. Default: ms.
	TimeUnit TimeUnit
	// SideOf says whose side FieldSide names. Default: taker.
	SideOf SideOf
	// Symbol is the symbol of trades that have none. Default: empty, they are
	// rejected.
	Symbol string
}

// Validate reports fields that share a path, a path that leads through
// another field, arrays of trades at more than one place, and a bad symbol.
func (m *Mapping) Validate() error {
	if m.Symbol != "" && !core.ValidSymbol([]byte(m.Symbol)) {
		return fmt.Errorf("symbol %q is not allowed (a letter or digit, then up to 31 of letters, digits and . _ : / -)", cut(m.Symbol))
	}
	_, err := compile(m)
	return err
}

// path returns where f stands, nil if the mapping does not read it.
func (m *Mapping) path(f Field) Path {
	if f == FieldSide && m.SideOf == SideOfNone {
		return nil
	}
	if f == FieldTN && (m.TimeUnit != UnitMillis || len(m.Paths[FieldTS]) > 0) {
		// A foreign key that happens to be called tn is not ours.
		return nil
	}
	if len(m.Paths[f]) > 0 {
		return m.Paths[f]
	}
	return Path{f.String()}
}

// canonical reports whether our own feeds' key order may be expected.
func (m *Mapping) canonical() bool {
	for _, p := range m.Paths {
		if len(p) > 0 {
			return false
		}
	}
	return m.TimeUnit == UnitMillis && m.SideOf == SideOfTaker
}
