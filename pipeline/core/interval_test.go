package core

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseInterval(t *testing.T) {
	for name, ms := range map[string]int64{
		"100ms": 100, "1s": 1000, "5s": 5000, "90s": 90_000, "1m": 60_000, "3m": 180_000, "7m": 420_000, "30m": 1_800_000,
		"1h": 3_600_000, "5h": 18_000_000, "12h": 43_200_000, "1d": 86_400_000, "3d": 259_200_000, "7d": 604_800_000,
		"1w": 604_800_000, "2w": 1_209_600_000, "1M": 0, "1q": 0, "1500ms": 1500,
	} {
		i, err := ParseInterval(name)
		if err != nil || i.Millis() != ms || i.Name() != name {
			t.Errorf("ParseInterval(%q) = %v %d, %v; want %d ms", name, i, i.Millis(), err, ms)
		}
	}
	for name, hint := range map[string]string{
		"1Min": "1m or 1M", "5min": "write 5m", "1H": "write 1h", "1D": "write 1d", "1S": "write 1s", "60s": "written 1m",
		"1000ms": "written 1s", "24h": "written 1d", "60m": "written 1h", "01m": "starts with zero", "": "want a count", "m": "want a count",
		"1": "want a count", "-1m": "want a count", "0m": "starts with zero", "1x": "want a count", "9999999999999d": "want a count",
		"99999999999d": "ten years", "1m ": "want a count", "t100": "want a count", "1month": "write 1M", "1000M": "ten years",
	} {
		_, err := ParseInterval(name)
		if !errors.Is(err, ErrInterval) || !strings.Contains(err.Error(), hint) {
			t.Errorf("ParseInterval(%q): error %v lacks %q", name, err, hint)
		}
	}
}

func TestOpenAndCloseTimes(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse("2006-01-02 15:04:05.000", s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMilli()
	}
	for _, c := range []struct{ name, in, open, end string }{
		{"1m", "2026-03-08 10:00:59.999", "2026-03-08 10:00:00.000", "2026-03-08 10:01:00.000"},
		{"1m", "2026-03-08 10:01:00.000", "2026-03-08 10:01:00.000", "2026-03-08 10:02:00.000"},
		{"100ms", "2026-03-08 10:00:00.250", "2026-03-08 10:00:00.200", "2026-03-08 10:00:00.300"},
		{"1d", "2024-02-29 23:59:59.999", "2024-02-29 00:00:00.000", "2024-03-01 00:00:00.000"},
		{"1w", "2026-11-22 23:59:59.999", "2026-11-16 00:00:00.000", "2026-11-23 00:00:00.000"},
		{"1w", "2026-11-23 00:00:00.000", "2026-11-23 00:00:00.000", "2026-11-30 00:00:00.000"},
		{"3d", "1970-01-04 00:00:00.000", "1970-01-04 00:00:00.000", "1970-01-07 00:00:00.000"},
		{"1d", "1969-12-31 23:00:00.000", "1969-12-31 00:00:00.000", "1970-01-01 00:00:00.000"},
		{"1w", "1969-12-31 23:00:00.000", "1969-12-29 00:00:00.000", "1970-01-05 00:00:00.000"},
		{"1M", "2024-02-29 12:00:00.000", "2024-02-01 00:00:00.000", "2024-03-01 00:00:00.000"},
		{"1M", "2025-12-31 23:59:59.999", "2025-12-01 00:00:00.000", "2026-01-01 00:00:00.000"},
		{"1q", "2025-12-31 23:59:59.999", "2025-10-01 00:00:00.000", "2026-01-01 00:00:00.000"},
		{"1M", "1969-11-15 00:00:00.000", "1969-11-01 00:00:00.000", "1969-12-01 00:00:00.000"},
	} {
		i := itv(c.name)
		if got := i.OpenTime(at(c.in)); got != at(c.open) {
			t.Errorf("%s opens at %s for %s, want %s", c.name, time.UnixMilli(got).UTC(), c.in, c.open)
		}
		if got := i.CloseTime(at(c.in)); got != at(c.end) {
			t.Errorf("%s ends at %s for %s, want %s", c.name, time.UnixMilli(got).UTC(), c.in, c.end)
		}
	}
}

func TestConfigIsRefusedWithASentence(t *testing.T) {
	for name, c := range map[string]Config{
		"none configured":             {},
		"shortest first":              {Intervals: []Interval{itv("5m"), itv("1m")}},
		"each length once":            {Intervals: []Interval{itv("7d"), itv("1w")}},
		"months and quarters are not": {Intervals: []Interval{itv("1d"), itv("1M")}},
		"watermark_delay":             {Intervals: []Interval{itv("1m")}, WatermarkDelay: -1},
		"checking partition":          {Intervals: []Interval{itv("1m")}, Partition: 3, Partitions: 3},
		"scales are 0 to 18":          {Intervals: []Interval{itv("1m")}, Symbols: []SymbolRule{{Pattern: "A", PriceScale: 19}}},
		"want a symbol":               {Intervals: []Interval{itv("1m")}, Symbols: []SymbolRule{{Pattern: "A*B"}}},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v lacks %q", err, name)
		}
	}
}

func FuzzInterval(f *testing.F) {
	for _, s := range []string{"1m", "1w", "1M", "90s", "60s", "1Min", "3660d", "120M", "7ms"} {
		f.Add(s, int64(1_795_239_360_123))
	}
	f.Fuzz(func(t *testing.T, name string, ms int64) {
		i, err := ParseInterval(name)
		if err != nil || ms < -timeBound || ms > timeBound {
			return
		}
		open, end := i.OpenTime(ms), i.CloseTime(ms)
		if open > ms || end <= ms || i.OpenTime(open) != open || i.OpenTime(end-1) != open || i.OpenTime(end) != end {
			t.Fatalf("%s at %d: [%d, %d)", name, ms, open, end)
		}
		if again, err := ParseInterval(i.Name()); err != nil || again != i {
			t.Fatalf("%s does not read back: %v %v", name, again, err)
		}
	})
}

func TestOverhangIsThatOfBarsOfOtherBoundaries(t *testing.T) {
	for _, tt := range []struct {
		name, base string
		want       int64
	}{
		{"1m", "1m", 0}, {"5m", "1m", 0}, {"90s", "1m", 60_000}, {"1w", "1d", 0}, {"1w", "5d", 5 * 86_400_000}, {"1h", "7m", 7 * 60_000},
	} {
		got := intervals(t, tt.name)[0].Overhang(intervals(t, tt.base)[0])
		if got != tt.want {
			t.Errorf("%s beside %s: %d ms, want %d", tt.name, tt.base, got, tt.want)
		}
	}
}
