package indicators

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// columns are the bars of a golden file.
type columns struct {
	Date   []string  `json:"date"`
	Open   []float64 `json:"open"`
	High   []float64 `json:"high"`
	Low    []float64 `json:"low"`
	Close  []float64 `json:"close"`
	Volume []float64 `json:"volume"`
}

type goldenCase struct {
	ID        string                `json:"id"`
	Indicator string                `json:"indicator"`
	Profile   string                `json:"profile"`
	Input     string                `json:"input"`
	Inputs    []string              `json:"inputs"`
	Params    map[string]any        `json:"params"`
	Outputs   map[string][]*float64 `json:"outputs"`
}

type goldenFile struct {
	Input json.RawMessage `json:"input"`
	Cases []goldenCase    `json:"cases"`
}

// sharedFile reads a file of the folder with the big vectors, which a clone of
// the repository does not have.
func sharedFile(t *testing.T, name string) []byte {
	t.Helper()
	root := os.Getenv("KLINE_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "shared")
	}
	path := filepath.Join(root, "golden", name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("not run: %s (set KLINE_SHARED)", filepath.Join("golden", name))
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeGolden(t *testing.T, data []byte) *goldenFile {
	t.Helper()
	var f goldenFile
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return &f
}

// bars turns columns into daily bars; dates are UTC midnights.
func (c *columns) bars(t *testing.T) []Bar {
	t.Helper()
	bars := make([]Bar, len(c.Close))
	for i := range bars {
		b := &bars[i]
		b.OpenTimeMS = int64(i) * dayMS
		if c.Date != nil {
			day, err := time.Parse(time.DateOnly, c.Date[i])
			if err != nil {
				t.Fatal(err)
			}
			b.OpenTimeMS = day.UnixMilli()
		}
		b.Open, b.High, b.Low, b.Close = c.Open[i], c.High[i], c.Low[i], c.Close[i]
		b.Volume, b.Src, b.Flags = c.Volume[i], c.Close[i], FlagClosed
	}
	return bars
}

func aaplBars(t *testing.T) []Bar {
	t.Helper()
	f := decodeGolden(t, sharedFile(t, "talib06_aapl_1260.json"))
	var in struct {
		Columns columns `json:"columns"`
	}
	if err := json.Unmarshal(f.Input, &in); err != nil {
		t.Fatal(err)
	}
	return in.Columns.bars(t)
}

// priceScale is the largest absolute price among the columns a case takes.
func priceScale(c *goldenCase, bars []Bar) float64 {
	var p float64
	for i := range bars {
		b := &bars[i]
		for _, name := range c.Inputs {
			switch name {
			case "open":
				p = max(p, math.Abs(b.Open))
			case "high":
				p = max(p, math.Abs(b.High))
			case "low":
				p = max(p, math.Abs(b.Low))
			case "close":
				p = max(p, math.Abs(b.Close))
			}
		}
	}
	return p
}

// paramsOf maps the names of a case to the manifest. Golden BBANDS have two
// multipliers, ours one: the row "lower" is asked for with the second.
func paramsOf(t *testing.T, spec *indicatorSpec, c *goldenCase, output string) []float64 {
	t.Helper()
	params := spec.defaults()
	for i := range spec.Params {
		p := &spec.Params[i]
		v, ok := c.Params[p.Name]
		if p.Name == "profile" && c.Profile != "" {
			v, ok = c.Profile, true
		}
		if p.Name == "mult" && !ok {
			v, ok = c.Params["mult_up"], c.Params["mult_up"] != nil
			if output == "lower" {
				v = c.Params["mult_dn"]
			}
		}
		if !ok {
			continue
		}
		switch v := v.(type) {
		case float64:
			params[i] = v
		case string:
			at := slices.Index(p.Options, v)
			if at < 0 {
				t.Fatalf("%s: parameter %s has no option %q", c.ID, p.Name, v)
			}
			params[i] = float64(at)
		}
	}
	return params
}

// compareVector checks one output of one case under the tolerance of the
// design: relative 1e-9 of the vector's scale, 1e-12 of the price.
func compareVector(c *goldenCase, name string, got [][]float64, at int, bars []Bar) error {
	want := c.Outputs[name]
	var m float64
	for _, w := range want {
		if w != nil {
			m = max(m, math.Abs(*w))
		}
	}
	p := priceScale(c, bars)
	for i, w := range want {
		g := got[i][at]
		if math.IsNaN(g) != (w == nil) {
			return fmt.Errorf("%s %s: bar %d is %v, and null in the file: %v", c.ID, name, i, g, w == nil)
		}
		if w == nil {
			continue
		}
		if diff := math.Abs(g - *w); !(diff <= max(1e-9*max(math.Abs(*w), m), 1e-12*p)) {
			return fmt.Errorf("%s %s: bar %d is %v, want %v", c.ID, name, i, g, *w)
		}
	}
	return nil
}

// runGolden checks every vector of the file that belongs to a built-in.
func runGolden(t *testing.T, f *goldenFile, bars func(c *goldenCase) []Bar, deviates func(c *goldenCase, output string) bool) int {
	t.Helper()
	m := readManifest(t)
	vectors := 0
	for i := range f.Cases {
		c := &f.Cases[i]
		at := slices.IndexFunc(m.Indicators, func(s indicatorSpec) bool { return s.Name == c.Indicator })
		if at < 0 {
			continue
		}
		spec := &m.Indicators[at]
		for name := range c.Outputs {
			series := bars(c)
			rows := newInstance(t, spec.ID, paramsOf(t, spec, c, name)).rows(t, series)
			err := compareVector(c, name, rows, spec.output(name), series)
			if deviates != nil && deviates(c, name) {
				if err == nil {
					t.Errorf("%s %s equals a value that the design calls wrong", c.ID, name)
				}
				continue
			}
			if err != nil {
				t.Error(err)
			}
			vectors++
		}
	}
	return vectors
}

func TestGoldenTALib(t *testing.T) {
	bars := aaplBars(t)
	f := decodeGolden(t, sharedFile(t, "talib06_aapl_1260.json"))
	if n := runGolden(t, f, func(*goldenCase) []Bar { return bars }, nil); n != 35 {
		t.Errorf("%d vectors compared, want 35", n)
	}
}

func TestGoldenDefinitions(t *testing.T) {
	bars := aaplBars(t)
	f := decodeGolden(t, sharedFile(t, "definitions_aapl_1260.json"))
	if n := runGolden(t, f, func(*goldenCase) []Bar { return bars }, nil); n != 46 {
		t.Errorf("%d vectors compared, want 46", n)
	}
}

// TestGoldenEdges compares made-up inputs: flat, ties, no volume, tiny prices.
// The deviations are those the vectors' README lists: an RSI that never moved
// is 50, and bands of tiny prices have a width.
func TestGoldenEdges(t *testing.T) {
	f := decodeGolden(t, sharedFile(t, "talib06_edge.json"))
	var in map[string]struct {
		Columns columns `json:"columns"`
	}
	if err := json.Unmarshal(f.Input, &in); err != nil {
		t.Fatal(err)
	}
	bars := func(c *goldenCase) []Bar {
		cols := in[c.Input].Columns
		return cols.bars(t)
	}
	deviates := func(c *goldenCase, output string) bool {
		switch c.ID {
		case "flat/rsi_14", "flat_inexact/rsi_14":
			return true
		case "tiny/bbands_20_2.0_2.0_sma":
			return output != "middle"
		}
		return false
	}
	if n := runGolden(t, f, bars, deviates); n < 130 {
		t.Errorf("%d vectors compared, want at least 130", n)
	}
	for _, name := range []string{"flat", "flat_inexact"} {
		c := goldenCase{Input: name}
		for i, row := range newInstance(t, RSI, []float64{14}).rows(t, bars(&c)) {
			if i >= 14 && (row[0] != 50 || row[1] != 1) {
				t.Fatalf("RSI of %s at bar %d is %v, want 50 and degenerate", name, i, row)
			}
		}
	}
}
