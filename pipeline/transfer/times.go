package transfer

import (
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// What --time-unit auto takes for a time: 2000 to 2100. The numbers of two units
// that lie in it differ by a factor of ten at least, so none has two readings.
const (
	earliestNS = 946_684_800 * int64(time.Second)
	latestNS   = 4_102_444_800 * int64(time.Second)
)

// units are tried in this order; the order does not matter.
var units = [...]wire.TimeUnit{wire.UnitMillis, wire.UnitSeconds, wire.UnitMicros, wire.UnitNanos, wire.UnitRFC3339}

// unitFinder settles the one unit of a file.
type unitFinder struct {
	unit  wire.TimeUnit
	known bool // settled, or given
	auto  bool // found out: a row of another unit is refused
}

// plausible reports whether a time may be one.
func plausible(ns int64) bool { return ns >= earliestNS && ns < latestNS }

// settle finds the unit in which read gives a plausible time.
func (u *unitFinder) settle(read func(wire.TimeUnit) (ns int64, ok bool)) bool {
	for _, unit := range units {
		if ns, ok := read(unit); ok && plausible(ns) {
			u.unit, u.known, u.auto = unit, true, true
			return true
		}
	}
	return false
}

// strange says what is wrong with a time that the unit of the file does not
// give a plausible moment for.
func (u *unitFinder) strange(text string, read func(wire.TimeUnit) (ns int64, ok bool)) string {
	for _, unit := range units {
		if ns, ok := read(unit); ok && plausible(ns) && unit != u.unit {
			return fmt.Sprintf("%q is a time in %s, the rows before have %s: a file has one unit (cut it in two)", cut(text), unit, u.unit)
		}
	}
	return fmt.Sprintf("%q is no time in %s between 2000 and 2100 (say the unit with --time-unit if it is another; is it the right column?)", cut(text), u.unit)
}

// name is that of a unit that is settled.
func (u *unitFinder) name() string {
	if !u.known {
		return ""
	}
	return u.unit.String()
}

// restore takes over the unit of an earlier run.
func (u *unitFinder) restore(name string) {
	if unit, err := wire.ParseTimeUnit(name); err == nil && !u.known {
		u.unit, u.known, u.auto = unit, true, true
	}
}
