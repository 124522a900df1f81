package oracle

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Interval is a length of time by its canonical name: 1s, 5m, 4h, 1d, 1w (from Monday), 1M, 1q, or any other count.
type Interval struct {
	name  string
	count int64
	unit  string
}

var intervalName = regexp.MustCompile(`^([1-9][0-9]{0,5})(ms|s|m|h|d|w|M|q)$`)

const (
	second = int64(1_000)
	hour   = 3_600 * second
	day    = 24 * hour
)

// ParseInterval reads a canonical name.
func ParseInterval(name string) (Interval, error) {
	parts := intervalName.FindStringSubmatch(name)
	if parts == nil {
		return Interval{}, fmt.Errorf("reading the interval %.20q: want a count and one of ms s m h d w M q", name)
	}
	count, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Interval{}, fmt.Errorf("reading the interval %q: %w", name, err)
	}
	return Interval{name, count, parts[2]}, nil
}

// String is the canonical name.
func (i Interval) String() string { return i.name }

// Bucket returns the open time of the bucket that holds ms and that of the next one, both ms since 1970 UTC.
func (i Interval) Bucket(ms int64) (open, next int64) {
	switch i.unit {
	case "M":
		return monthBucket(ms, i.count)
	case "q":
		return monthBucket(ms, 3*i.count)
	case "w":
		monday := 4 * day // 1970-01-05 was a Monday
		open = monday + floor(ms-monday, 7*day*i.count)
		return open, open + 7*day*i.count
	}
	length := i.count * map[string]int64{"ms": 1, "s": second, "m": 60 * second, "h": hour, "d": day}[i.unit]
	if length <= hour || length >= day {
		open = floor(ms, length)
		return open, open + length
	}
	// Between an hour and a day the buckets count from midnight, and the last one ends there.
	midnight := floor(ms, day)
	open = midnight + floor(ms-midnight, length)
	return open, min(open+length, midnight+day)
}

func monthBucket(ms, months int64) (open, next int64) {
	at := time.UnixMilli(ms).UTC()
	first := floor(int64(at.Year()-1970)*12+int64(at.Month())-1, months)
	start := func(month int64) int64 {
		return time.Date(1970, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	}
	return start(first), start(first + months)
}

// floor is the largest multiple of step that is not above n, for negative n too.
func floor(n, step int64) int64 {
	rest := n % step
	if rest < 0 {
		rest += step
	}
	return n - rest
}
