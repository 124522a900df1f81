package indicators

import (
	"math"
	"testing"
	"unsafe"
)

func TestLayoutsMatchTheABI(t *testing.T) {
	var b Bar
	var c Cfg
	var j Job
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"Bar", unsafe.Sizeof(b), 80},
		{"Bar.Volume", unsafe.Offsetof(b.Volume), 40},
		{"Bar.Trades", unsafe.Offsetof(b.Trades), 56},
		{"Bar.Flags", unsafe.Offsetof(b.Flags), 60},
		{"Bar.Src", unsafe.Offsetof(b.Src), 64},
		{"Bar.TakerBuyVolume", unsafe.Offsetof(b.TakerBuyVolume), 72},
		{"Cfg", unsafe.Sizeof(c), 64},
		{"Cfg.IntervalMS", unsafe.Offsetof(c.IntervalMS), 16},
		{"Cfg.SessionOffsetMS", unsafe.Offsetof(c.SessionOffsetMS), 24},
		{"Cfg.TickSize", unsafe.Offsetof(c.TickSize), 32},
		{"Cfg.FromStateVersion", unsafe.Offsetof(c.FromStateVersion), 40},
		{"Job", unsafe.Sizeof(j), 32},
		{"Job.Out", unsafe.Offsetof(j.Out), 20},
		{"Job.RC", unsafe.Offsetof(j.RC), 28},
	} {
		if f.got != f.want {
			t.Errorf("%s is %d, want %d", f.name, f.got, f.want)
		}
	}
}

// TestEveryBoundIsEnforced probes each parameter at, just inside and just
// outside the range that the manifest promises.
func TestEveryBoundIsEnforced(t *testing.T) {
	for _, spec := range readManifest(t).Indicators {
		for i := range spec.Params {
			p := &spec.Params[i]
			lo, hi := p.bounds()
			step := 1.0
			if p.Type == "float" {
				step = 1e-9
			}
			try := func(v float64, legal bool) {
				params := spec.defaults()
				params[i] = v
				cfg := Cfg{Ind: spec.ID, IntervalMS: 1}
				rc := StateSize(&cfg, params)
				if legal && (rc < 8 || rc > maxState || rc%8 != 0) {
					t.Errorf("%s %s = %v: StateSize = %d", spec.Name, p.Name, v, rc)
				}
				if !legal && (rc != ErrParams || Warmup(&cfg, params) != ErrParams || Init(&cfg, params, slotBytes(maxState)) != ErrParams) {
					t.Errorf("%s %s = %v: StateSize = %d, want %d everywhere", spec.Name, p.Name, v, rc, ErrParams)
				}
			}
			for _, v := range []float64{lo, hi} {
				try(v, true)
			}
			for _, v := range []float64{lo - step, hi + step, math.NaN(), math.Inf(1), math.Inf(-1), -1e300, 1e300} {
				try(v, false)
			}
			if p.Type != "float" {
				try(lo+0.5, false)
			}
		}
	}
}

// TestLargestStatesFit sets all parameters to their largest values at once.
func TestLargestStatesFit(t *testing.T) {
	for _, spec := range readManifest(t).Indicators {
		params := spec.defaults()
		for i := range spec.Params {
			_, params[i] = spec.Params[i].bounds()
		}
		s := newInstance(t, spec.ID, params)
		for _, b := range walk(21, 50) {
			s.update(t, &b)
		}
		t.Logf("%-7s %6d bytes", spec.Name, len(s.state))
	}
}

func TestParameterCountIsExact(t *testing.T) {
	for _, spec := range readManifest(t).Indicators {
		cfg := Cfg{Ind: spec.ID}
		params := spec.defaults()
		if rc := StateSize(&cfg, append(params, 1)); rc != ErrParams {
			t.Errorf("%s with one parameter more: %d", spec.Name, rc)
		}
		if rc := StateSize(&cfg, params[:len(params)-1]); rc != ErrParams {
			t.Errorf("%s with one parameter less: %d", spec.Name, rc)
		}
	}
}

func TestUnknownIndicator(t *testing.T) {
	bar := walk(22, 1)[0]
	known := map[uint32]bool{}
	for _, spec := range readManifest(t).Indicators {
		known[spec.ID] = true
		if n := OutputCount(spec.ID); n != len(spec.Outputs) {
			t.Errorf("%s writes %d outputs, the manifest has %d", spec.Name, n, len(spec.Outputs))
		}
	}
	for ind := range uint32(70) {
		if known[ind] {
			continue
		}
		cfg := Cfg{Ind: ind}
		if StateSize(&cfg, nil) != ErrUnknown || Warmup(&cfg, nil) != ErrUnknown ||
			Init(&cfg, nil, slotBytes(64)) != ErrUnknown || Update(ind, slotBytes(64), &bar, make([]float64, 8)) != ErrUnknown {
			t.Errorf("indicator %d is not refused", ind)
		}
	}
}

func TestBadSlotsAreRefused(t *testing.T) {
	bar := walk(23, 1)[0]
	cfg := Cfg{Ind: SMA}
	params := []float64{20}
	size := int(StateSize(&cfg, params))
	if rc := Init(&cfg, params, slotBytes(size-8)); rc != ErrState {
		t.Errorf("Init on a short slot = %d", rc)
	}
	if rc := Init(&cfg, params, slotBytes(size + 8)[4:]); rc != ErrState {
		t.Errorf("Init on a misaligned slot = %d", rc)
	}
	s := newInstance(t, SMA, params)
	for _, c := range []struct {
		name string
		rc   int32
		want int32
	}{
		{"short state", Update(SMA, s.state[:size-8], &bar, s.out), ErrState},
		{"no state", Update(SMA, nil, &bar, s.out), ErrState},
		{"other indicator", Update(EMA, s.state, &bar, s.out), ErrState},
		{"no bar", Update(SMA, s.state, nil, s.out), ErrInput},
		{"no room for the row", Update(SMA, s.state, &bar, nil), ErrInput},
	} {
		if c.rc != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.rc, c.want)
		}
	}
}

func TestWarmupNumbers(t *testing.T) {
	const minute, day = 60_000, dayMS
	for _, c := range []struct {
		name     string
		ind      uint32
		params   []float64
		interval int64
		want     int32
	}{
		{"sma: full window", SMA, []float64{20}, minute, 20},
		{"ema: first 19, E(20) = 105", EMA, []float64{20}, minute, 125},
		{"wma", WMA, []float64{20}, minute, 20},
		{"rsi: first 14, W(14) = 140", RSI, []float64{14}, minute, 155},
		{"macd: first 33, E(26) + E(9)", MACD, []float64{12, 26, 9, 0}, minute, 34 + 135 + 50},
		{"macd reversed", MACD, []float64{26, 12, 9, 0}, minute, 34 + 135 + 50},
		{"bbands", BBANDS, []float64{20, 2, 0}, minute, 20},
		{"bbands around an ema", BBANDS, []float64{20, 2, 1}, minute, 125},
		{"atr", ATR, []float64{14, 0}, minute, 155},
		{"atr tv", ATR, []float64{14, 1}, minute, 154},
		{"stoch: first 17", STOCH, []float64{14, 3, 3, 0}, minute, 18},
		{"stoch of emas", STOCH, []float64{14, 3, 3, 1}, minute, 58},
		{"kdj: first 12, W(3) + W(3)", KDJ, []float64{9, 3, 3, 0}, minute, 73},
		{"kdj cn: first 8", KDJ, []float64{9, 3, 3, 1}, minute, 69},
		{"obv never forgets", OBV, []float64{0}, minute, Forever},
		{"vwap without anchor", VWAP, []float64{0, 0, 1}, minute, Forever},
		{"vwap by session", VWAP, []float64{1, 0, 1}, minute, 1440},
		{"vwap by day", VWAP, []float64{2, 0, 1}, minute, 1440},
		{"vwap by day on bars of 7 h", VWAP, []float64{2, 0, 1}, 7 * 60 * minute, 4},
		{"vwap by week", VWAP, []float64{3, 0, 1}, day, 7},
		{"vwap by month", VWAP, []float64{4, 0, 1}, day, 31},
		{"vwap on bars without length", VWAP, []float64{2, 0, 1}, 0, Forever},
		{"vwap by month on bars of 1 ms", VWAP, []float64{4, 0, 1}, 1, Forever},
	} {
		cfg := Cfg{Ind: c.ind, IntervalMS: c.interval}
		if got := Warmup(&cfg, c.params); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestWarmSeriesAgree starts a second series later in the history: after the
// warm-up both agree to about four digits of the scale, after twice of it to
// eight, which is what a back-fill replays.
func TestWarmSeriesAgree(t *testing.T) {
	bars := walk(24, 4000)
	everyInstance(t, func(t *testing.T, spec *indicatorSpec, params []float64) {
		cfg := Cfg{Ind: spec.ID, IntervalMS: 60_000}
		warm := int(Warmup(&cfg, params))
		const start = 500
		if warm == int(Forever) || start+2*warm > len(bars) {
			return
		}
		long := newInstance(t, spec.ID, params).rows(t, bars)
		late := newInstance(t, spec.ID, params).rows(t, bars[start:])
		for i := start + warm - 1; i < len(bars); i++ {
			tolerance := 1e-3
			if i >= start+2*warm {
				tolerance = 1e-6
			}
			for k := range long[i] {
				scale := max(math.Abs(long[i][k]), 1)
				if diff := math.Abs(long[i][k] - late[i-start][k]); diff > tolerance*scale {
					t.Fatalf("output %d at bar %d (warm-up %d): %v, want %v", k, i-start, warm, late[i-start][k], long[i][k])
				}
			}
		}
	})
}
