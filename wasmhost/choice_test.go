package wasmhost

import (
	"slices"
	"strings"
	"testing"
)

func TestChooseReadsExpressionsOfAManifest(t *testing.T) {
	m, err := DecodeManifest([]byte(`{"abi":1,"name":"mine","version":"1.0.0","indicators":[{"id":4,"name":"band","input":"src",
	 "params":[{"name":"period","type":"int","default":20,"min":1,"max":100},{"name":"ma","type":"enum","default":0,"options":["sma","ema"]}],"outputs":[{"name":"value"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Choose("mine/band(period=7,ma=ema,src=hl2)")
	if err != nil || c.Name != "band(7,ma=ema,src=hl2)" || c.Indicator.ID != 4 || !slices.Equal(c.Params, []float64{7, 1}) || c.Source != HL2 {
		t.Errorf("%+v, %v", c, err)
	}
	for expr, want := range map[string]string{
		"other/band": `the module is "mine"`, "bnad": `"band"`, "band(0)": "period", "band(1,2)": "too many", "band(": "parenthesis",
	} {
		if _, err := m.Choose(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
	p := c.Indicator.Params[1]
	if p.Text(1) != "ema" || p.Text(2.5) != "2.5" || p.Text(-1) != "-1" {
		t.Errorf("texts %q %q %q", p.Text(1), p.Text(2.5), p.Text(-1))
	}
}
