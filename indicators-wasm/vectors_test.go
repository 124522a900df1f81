package indicators

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// readVectors reads the vectors of the repository. They come from
// testdata/vectors.py: decimal arithmetic with 60 digits, straight from the
// definitions, rounded once.
func readVectors(t *testing.T) (*goldenFile, []Bar) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	f := decodeGolden(t, data)
	var in struct {
		Columns columns `json:"columns"`
	}
	if err := json.Unmarshal(f.Input, &in); err != nil {
		t.Fatal(err)
	}
	return f, in.Columns.bars(t)
}

func vectorBars(t *testing.T) []Bar {
	t.Helper()
	_, bars := readVectors(t)
	return bars
}

func TestVectors(t *testing.T) {
	f, bars := readVectors(t)
	n := runGolden(t, f, func(*goldenCase) []Bar { return bars }, nil)
	outputs := 0
	covered := map[string]bool{}
	for _, c := range f.Cases {
		outputs += len(c.Outputs)
		covered[c.Indicator] = true
	}
	if n != outputs {
		t.Errorf("%d vectors compared, the file has %d", n, outputs)
	}
	for _, spec := range readManifest(t).Indicators {
		if !covered[spec.Name] {
			t.Errorf("no vector covers %s", spec.Name)
		}
	}
}
