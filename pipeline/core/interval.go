package core

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrInterval is the cause of every error of ParseInterval.
var ErrInterval = errors.New("reading interval")

// mondayMS is the first Monday, 1970-01-05: weeks are counted from it.
const mondayMS = 4 * 86_400_000

// maxIntervalMS bounds an interval to ten years, so that no arithmetic with
// open and close times can overflow.
const maxIntervalMS = 3660 * 86_400_000

// unit is the letter of an interval name.
type unit uint8

const (
	unitNone unit = iota
	unitMilli
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitQuarter
)

func (u unit) String() string { return [...]string{"", "ms", "s", "m", "h", "d", "w", "M", "q"}[u] }

// millis returns the length of one unit, 0 for months and quarters.
func (u unit) millis() int64 {
	return [...]int64{0, 1, 1000, 60_000, 3_600_000, 86_400_000, 7 * 86_400_000, 0, 0}[u]
}

// Interval is the length of a bar, such as 1m. The zero value is no interval.
type Interval struct {
	name   string
	count  int64
	unit   unit
	millis int64 // 0 for months and quarters
	anchor int64 // an open time, ms
}

// ParseInterval reads a canonical, case-sensitive name: a count and one of ms,
// s, m, h, d, w, M (month) or q. A length has one name, so 60s is refused with
// the advice to write 1m. Every error wraps ErrInterval.
func ParseInterval(name string) (Interval, error) {
	digits := 0
	for digits < len(name) && name[digits] >= '0' && name[digits] <= '9' {
		digits++
	}
	u := unitNone
	for v := unitMilli; v <= unitQuarter; v++ {
		if name[digits:] == v.String() {
			u = v
		}
	}
	if u == unitNone || digits == 0 || digits > 12 || name[0] == '0' {
		return Interval{}, fmt.Errorf("%w %q: %s", ErrInterval, cut(name, 32), intervalHint(name, digits))
	}
	n, err := strconv.ParseInt(name[:digits], 10, 64)
	if err != nil {
		return Interval{}, fmt.Errorf("%w %q: count is not a number", ErrInterval, cut(name, 32))
	}
	itv := Interval{name: name, count: n, unit: u, millis: n * u.millis()}
	if u == unitWeek {
		itv.anchor = mondayMS
	}
	if n > maxIntervalMS || itv.millis > maxIntervalMS || (itv.millis == 0 && n > 120) {
		return Interval{}, fmt.Errorf("%w %q: longer than ten years", ErrInterval, cut(name, 32))
	}
	if better := itv.canonical(); better != name {
		return Interval{}, fmt.Errorf("%w %q: this length is written %s", ErrInterval, cut(name, 32), better)
	}
	return itv, nil
}

// canonical returns the name with the largest unit that keeps the same open
// times; 7d does not become 1w, whose bars open on Mondays.
func (i Interval) canonical() string {
	if i.millis == 0 || i.unit == unitWeek {
		return i.name
	}
	for u := unitDay; u > unitNone; u-- {
		if i.millis%u.millis() == 0 {
			return strconv.FormatInt(i.millis/u.millis(), 10) + u.String()
		}
	}
	return i.name
}

// intervalHint names what the writer of a bad name may have meant.
func intervalHint(name string, digits int) string {
	const want = "want a count and one of ms s m h d w, such as 1m"
	if digits == 0 || digits > 12 {
		return want
	}
	n, suffix := name[:digits], name[digits:]
	if n[0] == '0' {
		return "count starts with zero, " + want
	}
	switch suffix {
	case "Min", "MIN", "Mo":
		return "m is minute and M is month: write " + n + "m or " + n + "M"
	case "min", "mins", "minute", "minutes":
		return "write " + n + "m"
	case "S", "sec", "second", "seconds":
		return "write " + n + "s"
	case "H", "hour", "hours", "Hour":
		return "write " + n + "h"
	case "D", "day", "days", "Day":
		return "write " + n + "d"
	case "W", "week", "weeks":
		return "write " + n + "w"
	case "mo", "mon", "month", "months", "Month":
		return "write " + n + "M"
	case "Q", "quarter":
		return "write " + n + "q"
	}
	return want
}

// cut shortens foreign text for an error.
func cut(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// Name returns the canonical name.
func (i Interval) Name() string { return i.name }

// String returns the canonical name.
func (i Interval) String() string { return i.name }

// Millis returns the length in ms, 0 for months and quarters, whose length
// varies.
func (i Interval) Millis() int64 { return i.millis }

// OpenTime returns the open time, ms UTC, of the bar that holds the instant ms.
func (i Interval) OpenTime(ms int64) int64 {
	if i.millis == 0 {
		return i.monthOpen(ms, 0)
	}
	r := (ms - i.anchor) % i.millis
	if r < 0 {
		r += i.millis
	}
	return ms - r
}

// CloseTime returns the end of the bar that holds the instant ms: the open time
// of the next one, ms UTC, exclusive.
func (i Interval) CloseTime(ms int64) int64 {
	if i.millis == 0 {
		return i.monthOpen(ms, 1)
	}
	return i.OpenTime(ms) + i.millis
}

// monthOpen returns the open time of the month bar that is skip bars after the
// one that holds ms.
func (i Interval) monthOpen(ms int64, skip int) int64 {
	step := int(i.count)
	if i.unit == unitQuarter {
		step *= 3
	}
	if step == 0 {
		return ms
	}
	t := time.UnixMilli(ms).UTC()
	month := t.Year()*12 + int(t.Month()) - 1 - 1970*12
	r := month % step
	if r < 0 {
		r += step
	}
	return time.Date(1970, time.Month(month-r+skip*step+1), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
}

// Overhang returns how much longer than the lateness a bar of i may change, in ms,
// where base is the smallest interval, by which a trade is judged: 90s beside 1m,
// because a trade whose minute is open may lie in a closed 90s.
func (i Interval) Overhang(base Interval) int64 {
	if i.millis == base.millis && i.anchor == base.anchor || i.divides(base) {
		return 0
	}
	return base.millis
}

// divides reports whether bars of i are made of whole bars of small.
func (i Interval) divides(small Interval) bool {
	return small.millis > 0 && small.millis < i.millis && i.millis%small.millis == 0 &&
		(i.anchor-small.anchor)%small.millis == 0
}
