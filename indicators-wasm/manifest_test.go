package indicators

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	identForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	colorForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?$`)
	braceForm = regexp.MustCompile(`\{([^}]*)\}`)
)

// strictManifest has a field for every key of the schema, so that an unknown
// one fails to decode.
type strictManifest struct {
	ABI         int    `json:"abi"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Author      string `json:"author"`
	Indicators  []struct {
		indicatorSpec
		StateVersion int `json:"state_version"`
		Levels       []struct {
			Value *float64 `json:"value"`
		} `json:"levels"`
		Range   []float64      `json:"range"`
		Params  []strictParam  `json:"params"`
		Outputs []strictOutput `json:"outputs"`
	} `json:"indicators"`
}

type strictParam struct {
	paramSpec
	Title string   `json:"title"`
	Help  string   `json:"help"`
	Min   *float64 `json:"min"`
	Max   *float64 `json:"max"`
	Step  *float64 `json:"step"`
}

type strictOutput struct {
	outputSpec
	Title     string `json:"title"`
	ColorNeg  string `json:"color_neg"`
	Width     int    `json:"width"`
	Style     string `json:"style"`
	Precision *int   `json:"precision"`
	Format    string `json:"format"`
}

func readStrict(t *testing.T) *strictManifest {
	t.Helper()
	var m strictManifest
	dec := json.NewDecoder(bytes.NewReader(Manifest()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatal("something follows the manifest")
	}
	return &m
}

func TestManifestFollowsTheSchema(t *testing.T) {
	m := readStrict(t)
	if m.ABI != 1 || m.Name != "builtin" || m.Version != "1.0.0" || m.Title == "" {
		t.Errorf("header: abi %d, %s %s %q", m.ABI, m.Name, m.Version, m.Title)
	}
	if n := len(Manifest()); n > 64<<10 {
		t.Errorf("%d bytes, more than 64 KiB", n)
	}
	ids, names := map[uint32]bool{}, map[string]bool{}
	for i := range m.Indicators {
		s := &m.Indicators[i]
		if ids[s.ID] || names[s.Name] || !identForm.MatchString(s.Name) {
			t.Errorf("%s (%d): id or name repeated or malformed", s.Name, s.ID)
		}
		ids[s.ID], names[s.Name] = true, true
		if !slices.Contains([]string{"trend", "momentum", "volatility", "volume"}, s.Category) ||
			!slices.Contains([]string{"bar", "src"}, s.Input) || s.StateVersion != 1 ||
			!slices.Contains([]string{"window", "decay", "accumulate"}, s.History) {
			t.Errorf("%s: category %q, input %q, state version %d, history %q", s.Name, s.Category, s.Input, s.StateVersion, s.History)
		}
		if len(s.Range) != 0 && (len(s.Range) != 2 || s.Range[0] >= s.Range[1]) {
			t.Errorf("%s: range %v", s.Name, s.Range)
		}
		for _, l := range s.Levels {
			if l.Value == nil {
				t.Errorf("%s: a level without a value", s.Name)
			}
		}
		params := map[string]bool{}
		for k := range s.Params {
			params[s.Params[k].Name] = true
			if complaint := s.Params[k].complaint(); complaint != "" {
				t.Errorf("%s, parameter %s: %s", s.Name, s.Params[k].Name, complaint)
			}
		}
		for _, b := range braceForm.FindAllStringSubmatch(s.Short, -1) {
			if !params[b[1]] {
				t.Errorf("%s: short names %q, which is no parameter", s.Name, b[1])
			}
		}
		if len(params) != len(s.Params) {
			t.Errorf("%s: a parameter is there twice", s.Name)
		}
		if complaint := outputsComplaint(s.Outputs); complaint != "" {
			t.Errorf("%s: %s", s.Name, complaint)
		}
	}
}

func (p *strictParam) complaint() string {
	d := p.Default
	whole := d == float64(int(d))
	switch {
	case !identForm.MatchString(p.Name) || len(p.Title) > 80 || len(p.Help) > 128:
		return "name or text"
	case p.Type == "enum":
		if len(p.Options) < 2 || !whole || d < 0 || int(d) >= len(p.Options) || p.Min != nil || p.Max != nil {
			return "options or default of an enum"
		}
	case p.Type != "int" && p.Type != "float":
		return "type " + p.Type
	case p.Min == nil || p.Max == nil || *p.Min > d || *p.Max < d || (p.Type == "int" && !whole) || p.Step == nil || *p.Step <= 0:
		return "range, step or default"
	case len(p.Options) != 0:
		return "options of a number"
	}
	return ""
}

func outputsComplaint(outputs []strictOutput) string {
	names := map[string]bool{}
	for _, o := range outputs {
		names[o.Name] = true
	}
	for i, o := range outputs {
		switch {
		case !identForm.MatchString(o.Name) || len(names) != len(outputs):
			return "output names"
		case o.Name == "degenerate" && (i != len(outputs)-1 || o.Plot != "none"):
			return "degenerate is not last and hidden"
		case o.Name != "degenerate" && !colorForm.MatchString(o.Color):
			return "color of " + o.Name
		case o.ColorNeg != "" && !colorForm.MatchString(o.ColorNeg):
			return "negative color of " + o.Name
		case o.FillTo != "" && (!names[o.FillTo] || o.FillTo == o.Name):
			return "fill_to of " + o.Name
		case !slices.Contains([]string{"line", "histogram", "none"}, o.Plot):
			return "plot of " + o.Name
		case o.Name != "degenerate" && !slices.Contains([]string{"price", "volume", "number"}, o.Format):
			return "format of " + o.Name
		}
	}
	return ""
}

// TestManifestHasNoDuplicateKeys matters because readers differ in which of
// two equal keys they take.
func TestManifestHasNoDuplicateKeys(t *testing.T) {
	dec := json.NewDecoder(bytes.NewReader(Manifest()))
	if err := uniqueKeys(dec, 0); err != nil {
		t.Error(err)
	}
}

func uniqueKeys(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth >= 8 {
		return fmt.Errorf("nested deeper than 8")
	}
	seen := map[string]bool{}
	for dec.More() {
		if d == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)
			if seen[name] {
				return fmt.Errorf("key %q is there twice", name)
			}
			seen[name] = true
		}
		if err := uniqueKeys(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// TestProfilesAreParameters keeps the list for readers and the parameter for
// instances equal, with talib first.
func TestProfilesAreParameters(t *testing.T) {
	want := map[string]string{"macd": "talib tv cn", "kdj": "talib cn", "atr": "talib tv", "obv": "talib tv"}
	for _, s := range readManifest(t).Indicators {
		options := "talib"
		for i := range s.Params {
			if s.Params[i].Name == "profile" {
				options = strings.Join(s.Params[i].Options, " ")
				if s.Params[i].Default != 0 {
					t.Errorf("%s: the default profile is not talib", s.Name)
				}
			}
		}
		expected, ok := want[s.Name]
		if !ok {
			expected = "talib"
		}
		if got := strings.Join(s.Profiles, " "); got != expected || options != expected {
			t.Errorf("%s: profiles %q, parameter %q, want %q", s.Name, got, options, expected)
		}
	}
}

func TestIdsNamesAndPanes(t *testing.T) {
	want := "1 sma overlay,2 ema overlay,4 wma overlay,12 vwap overlay,13 bbands overlay," +
		"19 rsi separate,21 macd separate,24 stoch separate,25 kdj separate,39 atr separate,41 obv separate"
	var got []string
	for _, s := range readManifest(t).Indicators {
		got = append(got, fmt.Sprint(s.ID, " ", s.Name, " ", s.Pane))
	}
	if strings.Join(got, ",") != want {
		t.Errorf("indicators: %v", got)
	}
}
