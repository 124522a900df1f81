package indicators

import (
	"math"
	"testing"
	"time"
)

// TestCalendarAgreesWithTheStandardLibrary covers 400 years on both sides of
// the epoch.
func TestCalendarAgreesWithTheStandardLibrary(t *testing.T) {
	start := time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)
	prevWeek := int64(math.MinInt64)
	for at := start; at.Year() < 2210; at = at.Add(17 * time.Hour) {
		day := dayOf(at.UnixMilli(), 0)
		if want := at.Truncate(24*time.Hour).Unix() / 86400; day != want {
			t.Fatalf("day of %v is %d, want %d", at, day, want)
		}
		if want := int64(at.Year())*12 + int64(at.Month()) - 1; monthOf(day) != want {
			t.Fatalf("month of %v is %d, want %d", at, monthOf(day), want)
		}
		week := weekOf(day)
		monday := at.Weekday() == time.Monday && at.Hour() < 17
		if prevWeek != math.MinInt64 && (week != prevWeek) != monday {
			t.Fatalf("week changes at %v: %v, and Monday has just begun: %v", at, week != prevWeek, monday)
		}
		prevWeek = week
	}
}

func TestTradingDayBeginsAtTheSessionOffset(t *testing.T) {
	const open = 22 * 3_600_000 // 22:00 UTC
	at := time.Date(2024, 3, 8, 21, 59, 0, 0, time.UTC)
	if a, b := dayOf(at.UnixMilli(), open), dayOf(at.Add(time.Minute).UnixMilli(), open); b != a+1 {
		t.Errorf("days %d and %d around the offset", a, b)
	}
	early := time.Date(1969, 12, 31, 23, 59, 0, 0, time.UTC)
	if d := dayOf(early.UnixMilli(), 0); d != -1 {
		t.Errorf("the day before the epoch is %d, want -1", d)
	}
}

// vwapRun feeds bars of price and volume, one hour apart, from 2024-01-31 20:00.
func vwapRun(t *testing.T, anchor float64, offset int64, flags map[int]uint32, prices, volumes []float64) [][]float64 {
	t.Helper()
	s := newInstance(t, VWAP, []float64{anchor, 1, 1})
	s.cfg.SessionOffsetMS = offset
	if rc := Init(&s.cfg, s.params, s.state); rc != 0 {
		t.Fatal(rc)
	}
	start := time.Date(2024, 1, 31, 20, 0, 0, 0, time.UTC).UnixMilli()
	var bars []Bar
	for i := range prices {
		bars = append(bars, Bar{OpenTimeMS: start + int64(i)*3_600_000, High: prices[i], Low: prices[i], Close: prices[i], Volume: volumes[i], Flags: flags[i]})
	}
	return s.rows(t, bars)
}

func TestVWAPRestartsAtItsAnchor(t *testing.T) {
	prices := []float64{10, 20, 30, 40, 50, 60}
	ones := []float64{1, 1, 1, 1, 1, 1}
	for _, c := range []struct {
		name   string
		anchor float64
		offset int64
		flags  map[int]uint32
		want   []float64
	}{
		{"none", 0, 0, map[int]uint32{3: FlagSessionStart}, []float64{10, 15, 20, 25, 30, 35}},
		{"session", 1, 0, map[int]uint32{0: FlagSessionStart, 3: FlagSessionStart}, []float64{10, 15, 20, 40, 45, 50}},
		{"session without flags", 1, 0, nil, []float64{10, 15, 20, 25, 30, 35}},
		{"day", 2, 0, nil, []float64{10, 15, 20, 25, 50, 55}},
		{"day from 21:00", 2, 21 * 3_600_000, nil, []float64{10, 20, 25, 30, 35, 40}},
		{"week", 3, 0, nil, []float64{10, 15, 20, 25, 30, 35}},
		{"month", 4, 0, nil, []float64{10, 15, 20, 25, 50, 55}},
		{"month from 23:00", 4, 23 * 3_600_000, nil, []float64{10, 15, 20, 25, 30, 35}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, row := range vwapRun(t, c.anchor, c.offset, c.flags, prices, ones) {
				if row[0] != c.want[i] || row[3] != 0 {
					t.Errorf("bar %d: %v, want %v", i, row, c.want[i])
				}
			}
		})
	}
}

// TestVWAPWithoutVolume has no value until the first volume since the anchor;
// a later bar without volume repeats the last one.
func TestVWAPWithoutVolume(t *testing.T) {
	rows := vwapRun(t, 2, 0, nil, []float64{10, 20, 30, 40, 50, 60}, []float64{0, 2, 0, 2, 0, 1})
	for i, row := range rows {
		switch i {
		case 0, 4: // the first bar, and the first of the next day
			for k, v := range row[:3] {
				if math.Float64bits(v) != 0x7ff8000000000000 {
					t.Errorf("bar %d output %d is %v, want no value", i, k, v)
				}
			}
			if row[3] != 1 {
				t.Errorf("bar %d is not degenerate", i)
			}
		case 2:
			if !sameBits(row, rows[1]) {
				t.Errorf("a bar without volume gives %v after %v", row, rows[1])
			}
		default:
			if row[3] != 0 {
				t.Errorf("bar %d is degenerate", i)
			}
		}
	}
	if rows[3][0] != 30 || rows[3][1] != 40 || rows[3][2] != 20 {
		t.Errorf("bands of 20 and 40 are %v", rows[3])
	}
}
