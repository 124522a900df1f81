package indicators

import (
	"encoding/json"
	"math"
	"testing"
	"unsafe"
)

// instance is one indicator run natively over a slot of its own.
type instance struct {
	cfg    Cfg
	params []float64
	state  []byte
	out    []float64
}

// slotBytes is n bytes at an 8-aligned address.
func slotBytes(n int) []byte {
	words := make([]uint64, n/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n)
}

// newInstance initialises an indicator on one-minute bars.
func newInstance(t testing.TB, ind uint32, params []float64) *instance {
	t.Helper()
	s := &instance{cfg: Cfg{Ind: ind, IntervalMS: 60_000}, params: params}
	size := StateSize(&s.cfg, params)
	if size < 8 || size > maxState || size%8 != 0 {
		t.Fatalf("StateSize(%d, %v) = %d", ind, params, size)
	}
	s.state = slotBytes(int(size))
	if rc := Init(&s.cfg, params, s.state); rc != 0 {
		t.Fatalf("Init(%d, %v) = %d", ind, params, rc)
	}
	s.out = make([]float64, OutputCount(ind))
	return s
}

// update feeds one bar and returns a copy of the row.
func (s *instance) update(t testing.TB, b *Bar) []float64 {
	t.Helper()
	if rc := Update(s.cfg.Ind, s.state, b, s.out); rc < 0 {
		t.Fatalf("Update(%d) = %d", s.cfg.Ind, rc)
	}
	return append([]float64(nil), s.out...)
}

// rows runs all bars and returns one row a bar.
func (s *instance) rows(t testing.TB, bars []Bar) [][]float64 {
	t.Helper()
	rows := make([][]float64, len(bars))
	for i := range bars {
		rows[i] = s.update(t, &bars[i])
	}
	return rows
}

// sameBits reports whether two rows are equal as bits.
func sameBits(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float64bits(a[i]) != math.Float64bits(b[i]) {
			return false
		}
	}
	return true
}

// requireSameRows fails at the first row that differs in a bit.
func requireSameRows(t testing.TB, what string, got, want [][]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !sameBits(got[i], want[i]) {
			t.Fatalf("%s: row %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// The manifest as tests need it.
type manifestDoc struct {
	ABI        int             `json:"abi"`
	Name       string          `json:"name"`
	Version    string          `json:"version"`
	Indicators []indicatorSpec `json:"indicators"`
}

type indicatorSpec struct {
	ID       uint32       `json:"id"`
	Name     string       `json:"name"`
	Title    string       `json:"title"`
	Short    string       `json:"short"`
	Help     string       `json:"help"`
	Category string       `json:"category"`
	Input    string       `json:"input"`
	Pane     string       `json:"pane"`
	History  string       `json:"history"`
	Profiles []string     `json:"profiles"`
	Params   []paramSpec  `json:"params"`
	Outputs  []outputSpec `json:"outputs"`
}

type paramSpec struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Default float64  `json:"default"`
	Min     float64  `json:"min"`
	Max     float64  `json:"max"`
	Options []string `json:"options"`
}

// bounds are the smallest and the largest legal value.
func (p *paramSpec) bounds() (lo, hi float64) {
	if p.Type == "enum" {
		return 0, float64(len(p.Options) - 1)
	}
	return p.Min, p.Max
}

type outputSpec struct {
	Name   string `json:"name"`
	Plot   string `json:"plot"`
	Color  string `json:"color"`
	FillTo string `json:"fill_to"`
}

func readManifest(t testing.TB) *manifestDoc {
	t.Helper()
	var m manifestDoc
	if err := json.Unmarshal(Manifest(), &m); err != nil {
		t.Fatalf("decoding the manifest: %v", err)
	}
	return &m
}

// defaults are the parameter values an instance gets without arguments.
func (s *indicatorSpec) defaults() []float64 {
	var p []float64
	for i := range s.Params {
		p = append(p, s.Params[i].Default)
	}
	return p
}

// output is the place of a named output.
func (s *indicatorSpec) output(name string) int {
	for i := range s.Outputs {
		if s.Outputs[i].Name == name {
			return i
		}
	}
	return -1
}

// dice is a fixed pseudo-random sequence, equal on every machine and Go
// version.
type dice uint64

func (d *dice) next() float64 {
	*d = *d*6364136223846793005 + 1442695040888963407
	return float64(uint32(*d>>33)) / (1 << 31)
}

// walk is n one-minute bars of a random walk with ticks of 0.01, with flat
// runs, bars without volume and a session start every 390 bars.
func walk(seed uint64, n int) []Bar {
	d := dice(seed)
	bars := make([]Bar, n)
	price := 10_000.0 // in ticks
	for i := range bars {
		flat := i%97 > 80
		b := &bars[i]
		open := price
		if !flat {
			price += math.Round((d.next() - 0.5) * 60)
			price = max(price, 100)
		}
		wick := 0.0
		if !flat {
			wick = math.Round(d.next() * 20)
		}
		b.OpenTimeMS = 1_700_000_000_000 + int64(i)*60_000
		b.Open = open / 100
		b.Close = price / 100
		b.High = (max(open, price) + wick) / 100
		b.Low = (min(open, price) - wick) / 100
		b.Volume = math.Round(d.next()*1000) / 1000
		if i%31 < 3 {
			b.Volume = 0
		}
		b.QuoteVolume = b.Volume * b.Close
		b.Trades = uint32(i % 7)
		b.Flags = FlagClosed
		if i%390 == 0 {
			b.Flags |= FlagSessionStart
		}
		b.Src = b.Close
	}
	return bars
}

// everyInstance runs f for each indicator with its defaults, with every
// parameter at its smallest value, and with every choice of every enum.
func everyInstance(t *testing.T, f func(t *testing.T, spec *indicatorSpec, params []float64)) {
	t.Helper()
	m := readManifest(t)
	for i := range m.Indicators {
		spec := &m.Indicators[i]
		for name, params := range parameterSets(spec) {
			t.Run(spec.Name+"/"+name, func(t *testing.T) { f(t, spec, params) })
		}
	}
}

func parameterSets(spec *indicatorSpec) map[string][]float64 {
	sets := map[string][]float64{"defaults": spec.defaults()}
	low := spec.defaults()
	for i := range spec.Params {
		p := &spec.Params[i]
		if p.Type == "int" {
			low[i] = p.Min
		}
		for o := range p.Options {
			set := spec.defaults()
			set[i] = float64(o)
			sets[p.Name+"="+p.Options[o]] = set
		}
	}
	sets["shortest"] = low
	return sets
}

// runArena lays one job out in a memory of its own, as a host does, and runs
// it through RunJobs.
func runArena(t *testing.T, arena []byte, s *instance, bars []Bar) [][]float64 {
	t.Helper()
	base := unsafe.Pointer(&arena[0])
	w := len(s.out)
	job := (*Job)(base)
	state := uint32(64)
	barAt := state + uint32(len(s.state)+15)&^15
	out := barAt + uint32(len(bars)*BarSize)
	if int(out)+8*w*len(bars) > len(arena) {
		t.Fatal("the arena is too small")
	}
	copy(arena[state:], s.state)
	copy(arena[barAt:], barBytes(bars))
	*job = Job{
		Ind: s.cfg.Ind, State: state, Bars: barAt, NBars: uint32(len(bars)), BarStride: BarSize,
		Out: out, OutStride: uint32(8 * w), RC: 0x7fffffff,
	}
	if rc := RunJobs(base, base, 1); rc != 0 || job.RC < 0 || job.NBars != uint32(len(bars)) {
		t.Fatalf("RunJobs = %d, rc %d after %d bars", rc, job.RC, job.NBars)
	}
	rows := make([][]float64, len(bars))
	for i := range rows {
		row := unsafe.Slice((*float64)(unsafe.Add(base, out+uint32(8*w*i))), w)
		rows[i] = append([]float64(nil), row...)
	}
	return rows
}

// addressOf is the address of a state.
func addressOf(state []byte) unsafe.Pointer { return unsafe.Pointer(&state[0]) }
