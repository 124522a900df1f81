package caddymodule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// defaultIntervals are the bar lengths of a configuration that names none.
func defaultIntervals() []string {
	return []string{"1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"}
}

// parseIntervals returns the intervals from short to long. The same one twice
// is refused, since the second was probably meant to be another.
func parseIntervals(names []string) ([]core.Interval, error) {
	var out []core.Interval
	for _, n := range names {
		itv, err := core.ParseInterval(n)
		if err != nil {
			return nil, fmt.Errorf("parsing intervals: %w", err)
		}
		if strings.HasSuffix(itv.Name(), "M") || strings.HasSuffix(itv.Name(), "q") {
			return nil, fmt.Errorf("parsing intervals: %q is not part of this release, the longest are weeks", cut(n))
		}
		if slices.ContainsFunc(out, func(o core.Interval) bool { return o.Name() == itv.Name() }) {
			return nil, fmt.Errorf("parsing intervals: %q stands twice", cut(n))
		}
		out = append(out, itv)
	}
	slices.SortFunc(out, func(x, y core.Interval) int { return cmp.Compare(x.Millis(), y.Millis()) })
	return out, nil
}

// intervals parses and orders the configured names.
func (a *App) intervals() ([]core.Interval, error) {
	names := a.Intervals
	if len(names) == 0 {
		names = defaultIntervals()
	}
	return parseIntervals(names)
}
