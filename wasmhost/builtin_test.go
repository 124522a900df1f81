package wasmhost

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

func builtinHost(t testing.TB, cfg Config) (*Host, *Module) {
	t.Helper()
	if cfg.CacheDir == "" {
		cfg.CacheDir = compiledBuiltin
	}
	return loadModule(t, cfg, indicators.Module())
}

// builtinExpressions has every built-in indicator, and every choice of each.
func builtinExpressions() []string {
	return []string{
		"sma(20)", "sma(1,src=hl2)", "ema(9)", "ema(20,src=ohlc4)", "wma(10)", "vwap", "vwap(2,anchor=week,src=close)", "vwap(anchor=session)",
		"bbands(20,2)", "bbands(5,1.5,ma=ema)", "rsi(14)", "rsi(2,src=volume)", "macd", "macd(3,10,4,profile=tv)", "macd(profile=cn)",
		"stoch", "stoch(5,3,2,ma=ema)", "kdj", "kdj(profile=cn)", "atr(14)", "atr(5,profile=tv)", "obv", "obv(profile=tv,src=hlc3)",
	}
}

// randomBars walks with gaps, flat stretches and bars without volume, where
// indicators leave their ordinary paths.
func randomBars(seed uint64, n int) []Bar {
	r := rand.New(rand.NewPCG(seed, 7))
	bars, p, at := make([]Bar, n), 100+50*r.Float64(), int64(1_700_000_000_000)/60_000*60_000
	for i := range bars {
		b := Bar{OpenTime: at, Open: p, High: p, Low: p, Close: p, Trades: uint32(r.IntN(5))}
		if r.IntN(10) > 2 { // else flat and without volume
			b.Close = math.Round((p+r.NormFloat64())*100) / 100
			b.High = max(p, b.Close) + math.Round(r.Float64()*50)/100
			b.Low = min(p, b.Close) - math.Round(r.Float64()*50)/100
			b.Volume = math.Round(r.Float64()*1e6) / 1e3
			b.QuoteVolume = b.Volume * b.Close
			b.TakerBuyVolume, b.Flags = b.Volume/3, FlagHasTaker
		}
		bars[i], p = b, b.Close
		at += 60_000 * int64(1+r.IntN(3)*r.IntN(300))
	}
	return bars
}

// native computes the oracle: the same indicator as plain Go.
func native(t testing.TB, inst *Instance, bars []Bar) ([]float64, []bool, []int32) {
	t.Helper()
	cfg := &indicators.Cfg{Ind: inst.Indicator.ID, IntervalMS: minute.IntervalMS}
	size := indicators.StateSize(cfg, inst.Params)
	if int(size) != inst.StateSize {
		t.Fatalf("%s: native state has %d bytes, guest %d", inst.Name, size, inst.StateSize)
	}
	words := make([]uint64, (size+7)/8) // aligned
	state := bytesOf(words)[:size]
	if rc := indicators.Init(cfg, inst.Params, state); rc != 0 {
		t.Fatalf("%s: native init returned %d", inst.Name, rc)
	}
	all := len(inst.Indicator.Outputs)
	row := make([]float64, all)
	var out []float64
	var flags []bool
	var codes []int32
	for i := range bars {
		b := nativeBar(&bars[i], inst.Source)
		codes = append(codes, indicators.Update(cfg.Ind, state, &b, row))
		for _, v := range row[:len(inst.Outputs)] {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				v = NoValue()
			}
			out = append(out, unsigned(v))
		}
		flags = append(flags, inst.HasDegenerate && row[all-1] == 1)
	}
	return out, flags, codes
}

func nativeBar(b *Bar, src Price) indicators.Bar {
	return indicators.Bar{
		OpenTimeMS: b.OpenTime, Open: b.Open, High: b.High, Low: b.Low, Close: b.Close, Volume: b.Volume, QuoteVolume: b.QuoteVolume,
		Trades: b.Trades, Flags: b.Flags | indicators.FlagClosed, Src: src.Of(b), TakerBuyVolume: b.TakerBuyVolume,
	}
}

func sameBits(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float64bits(got[i]) != math.Float64bits(want[i]) {
			t.Fatalf("%s: value %d is %v (%#x), want %v (%#x)", what, i, got[i], math.Float64bits(got[i]), want[i], math.Float64bits(want[i]))
		}
	}
}

// One truth for every way a bar can take: native Go, one call per bar, with
// previews in between, as a backfill, and in batches with other series.
func TestEveryWayGivesTheBitsOfNativeGo(t *testing.T) {
	const n = 700
	bars := randomBars(1, n)
	for _, engine := range []struct {
		name string
		cfg  Config
		bars []Bar
	}{{"compiler", Config{Shards: 1}, bars}, {"interpreter", Config{Shards: 1, Interpret: true}, bars[:150]}} {
		t.Run(engine.name, func(t *testing.T) {
			h, m := builtinHost(t, engine.cfg)
			if h.Engine() != engine.name {
				t.Skipf("not run: no %s for %s", engine.name, runtime.GOARCH)
			}
			covered := map[string]bool{}
			for _, expr := range builtinExpressions() {
				inst := resolve(t, h, expr)
				covered[inst.Indicator.Name] = true
				compareWays(t, h.Shard(0), inst, engine.bars)
			}
			for _, ind := range m.Manifest.Indicators {
				if !covered[ind.Name] {
					t.Errorf("%s is not compared", ind.Name)
				}
			}
			if got := m.Stats(); got.Traps+got.Errors+got.StubCalls+got.Growths != 0 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

func compareWays(t *testing.T, s *Shard, inst *Instance, bars []Bar) {
	t.Helper()
	want, wantFlags, wantCodes := native(t, inst, bars)
	w := len(inst.Outputs)

	single, previewed, filled := open(t, s, inst), open(t, s, inst), open(t, s, inst)
	got := make([]float64, len(want))
	for i := range bars {
		job := []Job{{Slot: single, Bar: &bars[i], Out: got[i*w : (i+1)*w]}}
		if err := s.Apply(job); err != nil {
			t.Fatal(err)
		}
		if job[0].RC != wantCodes[i] || job[0].Degenerate != wantFlags[i] {
			t.Fatalf("%s, bar %d: rc %d, degenerate %v, want %d, %v", inst.Name, i, job[0].RC, job[0].Degenerate, wantCodes[i], wantFlags[i])
		}
	}
	sameBits(t, inst.Name+" single", got, want)

	preview := make([]float64, w)
	for i := range bars {
		forming := bars[i]
		forming.Close = forming.Low
		jobs := []Job{
			{Slot: previewed, Bar: &forming, Preview: true, Out: make([]float64, w)},
			{Slot: previewed, Bar: &bars[i], Preview: true, Out: preview},
			{Slot: previewed, Bar: &bars[i], Out: got[i*w : (i+1)*w]},
		}
		if err := s.Apply(jobs); err != nil {
			t.Fatal(err)
		}
		sameBits(t, fmt.Sprintf("%s preview of bar %d", inst.Name, i), preview, got[i*w:(i+1)*w])
	}
	sameBits(t, inst.Name+" after previews", got, want)

	flags := make([]bool, len(bars))
	if n, err := s.Backfill(filled, bars, got, flags); err != nil || n != len(bars) {
		t.Fatalf("%s: %d, %v", inst.Name, n, err)
	}
	sameBits(t, inst.Name+" backfill", got, want)
	if !slices.Equal(flags, wantFlags) {
		t.Errorf("%s: backfill flags differ", inst.Name)
	}
}

func TestBatchOfManySeriesEqualsEachAlone(t *testing.T) {
	h, _ := builtinHost(t, Config{Shards: 1})
	s := h.Shard(0)
	const n = 120
	var jobs []Job
	var bars [][]Bar
	var want [][]float64
	for i, expr := range slices.Repeat(builtinExpressions(), 3) {
		inst := resolve(t, h, expr)
		bars = append(bars, randomBars(uint64(i), n))
		values, _, _ := native(t, inst, bars[i])
		want = append(want, values)
		jobs = append(jobs, Job{Slot: open(t, s, inst), Out: make([]float64, len(inst.Outputs))})
	}
	for i := range n {
		for j := range jobs {
			jobs[j].Bar = &bars[j][i]
		}
		if err := s.Apply(jobs); err != nil {
			t.Fatal(err)
		}
		for j := range jobs {
			w := len(jobs[j].Out)
			sameBits(t, fmt.Sprintf("series %d, bar %d", j, i), jobs[j].Out, want[j][i*w:(i+1)*w])
		}
	}
}

// A series that moves to another instance, shard and host at random bars is
// the series that never moved.
func TestSnapshotAndRestoreAtAnyBarIsNoRestart(t *testing.T) {
	const n = 400
	h, _ := builtinHost(t, Config{Shards: 1})
	other, _ := builtinHost(t, Config{Shards: 1})
	r := rand.New(rand.NewPCG(3, 3))
	for k, expr := range builtinExpressions() {
		bars := randomBars(uint64(100+k), n)
		inst := resolve(t, h, expr)
		want, _, _ := native(t, inst, bars)
		w := len(inst.Outputs)
		got := make([]float64, len(want))
		s, slot := h.Shard(0), open(t, h.Shard(0), inst)
		for from := 0; from < n; {
			to := min(n, from+1+r.IntN(60))
			if _, err := s.Backfill(slot, bars[from:to], got[from*w:to*w], nil); err != nil {
				t.Fatal(err)
			}
			from = to
			target := h
			if s == h.Shard(0) {
				target = other
			}
			s, slot = move(t, s, slot, target, expr, bars[to-1].OpenTime, uint64(to))
		}
		sameBits(t, inst.Name+" moved", got, want)
	}
}

// move takes a slot to another host through a snapshot record.
func move(t *testing.T, from *Shard, slot Slot, to *Host, expr string, openTime int64, bars uint64) (*Shard, Slot) {
	t.Helper()
	state, err := from.Read(slot, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := resolve(t, from.host, expr).Snapshot(minute, openTime, bars, state)
	b, err := EncodeSnapshot(nil, &old)
	if err != nil {
		t.Fatal(err)
	}
	snap, _, err := DecodeSnapshot(b)
	if err != nil {
		t.Fatal(err)
	}
	inst := resolve(t, to, expr)
	if err := inst.Accepts(&snap, minute, inst.StateSize); err != nil {
		t.Fatal(err)
	}
	s := to.Shard(0)
	next := open(t, s, inst)
	if err := errors.Join(s.Write(next, snap.State), from.Close(slot)); err != nil {
		t.Fatal(err)
	}
	return s, next
}

func TestManySlotsCostTheirBytes(t *testing.T) {
	const n = 10_000
	h, m := builtinHost(t, Config{Shards: 1})
	s, inst := h.Shard(0), resolve(t, h, "sma(200)")
	open(t, s, inst)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	guestBefore := h.Memory()
	for range n {
		open(t, s, inst)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	need := float64(n * inst.StateSize)
	guest := float64(h.Memory() - guestBefore)
	heap := float64(after.HeapAlloc) - float64(before.HeapAlloc)
	const constant = 2 << 20 // a slab that is not full, pages that the guest keeps for itself
	t.Logf("%d slots of %d bytes: guest memory %.3fx, Go heap %.0f KiB", n, inst.StateSize, guest/need, heap/1024)
	if guest+heap > need*1.05+constant {
		t.Errorf("%.0f bytes of guest memory and %.0f of heap for %.0f bytes of state", guest, heap, need)
	}
	if len(s.guests[m]) != 1 {
		t.Errorf("%d instances", len(s.guests[m]))
	}
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	h, _ := builtinHost(t, Config{Shards: 1})
	s := h.Shard(0)
	var jobs []Job
	for i, expr := range builtinExpressions() {
		inst := resolve(t, h, expr)
		slot := open(t, s, inst)
		jobs = append(jobs, Job{Slot: slot, Bar: &randomBars(1, 1)[0], Out: make([]float64, len(inst.Outputs))},
			Job{Slot: slot, Bar: &randomBars(uint64(i), 1)[0], Out: make([]float64, len(inst.Outputs)), Preview: true})
	}
	inst := resolve(t, h, "bbands")
	slot, bars := open(t, s, inst), randomBars(1, 100)
	rows, flags := make([]float64, 100*len(inst.Outputs)), make([]bool, 100)
	state := make([]byte, 0, maxState)
	for _, tt := range []struct {
		name string
		do   func() error
	}{
		{"one job", func() error { return s.Apply(jobs[:1]) }},
		{"batch", func() error { return s.Apply(jobs) }},
		{"backfill", func() error { _, err := s.Backfill(slot, bars, rows, flags); return err }},
		{"read and write", func() error {
			b, err := s.Read(slot, state)
			return errors.Join(err, s.Write(slot, b))
		}},
	} {
		if err := tt.do(); err != nil {
			t.Fatal(tt.name, err)
		}
		if n := testing.AllocsPerRun(200, func() {
			if tt.do() != nil {
				t.Error(tt.name)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", tt.name, n)
		}
	}
}

func TestBuiltinWarmupIsStated(t *testing.T) {
	h, m := builtinHost(t, Config{Shards: 1})
	if m.Name != "builtin" || len(m.Manifest.Indicators) != 11 {
		t.Fatalf("%s with %d indicators", m.Name, len(m.Manifest.Indicators))
	}
	for expr, want := range map[string]int64{"sma(20)": 20, "obv": Forever} {
		if inst := resolve(t, h, expr); inst.Warmup != want {
			t.Errorf("%s: %d, want %d", expr, inst.Warmup, want)
		}
	}
	daily, _, err := h.Measure(resolve(t, h, "vwap"), Series{IntervalMS: 86_400_000})
	perMinute := resolve(t, h, "vwap").Warmup
	if err != nil || daily == perMinute {
		t.Errorf("vwap: %d bars of a day, %d of a minute, %v", daily, perMinute, err)
	}
}
