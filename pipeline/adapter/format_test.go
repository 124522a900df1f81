package adapter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

func TestFormatErrorsNameWordAndWhatIsAllowed(t *testing.T) {
	for _, test := range []struct {
		name string
		f    Format
		want string
	}{
		{"preset", Format{Preset: "okx"}, `unrecognized format "okx" (allowed: generic)`},
		{"field", Format{Fields: map[string]string{"pric": "p"}}, `unrecognized field "pric" in format (allowed: symbol, price, size, ts, id, side, seq, op, ref_id)`},
		{"conditions are for later", Format{Fields: map[string]string{"conditions": "c"}}, `unrecognized field "conditions"`},
		{"path", Format{Fields: map[string]string{"price": "a..b"}}, `reading format: price: parsing field path "a..b": a key is empty`},
		{"two faults", Format{Fields: map[string]string{"size": "", "price": ""}}, "reading format: price:"},
		{"time_unit", Format{TimeUnit: "m"}, `unrecognized time_unit "m" (allowed: s, ms, us, ns, rfc3339)`},
		{"side_of", Format{SideOf: "buyer"}, `unrecognized side_of "buyer" (allowed: taker, maker, none)`},
		{"conflict", Format{Fields: map[string]string{"price": "x", "size": "x"}}, `"x" already holds another field`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := test.f.Mapping(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestFormatTakesTheLinesOfABlock(t *testing.T) {
	var f Format
	for _, line := range []string{"symbol s", "price p", "size q", "ts T", "id t", "side m", "time_unit us", "side_of maker"} {
		words := strings.Fields(line)
		if err := f.Set(words[0], words[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"fields":{"id":"t","price":"p","side":"m","size":"q","symbol":"s","ts":"T"},"time_unit":"us","side_of":"maker"}`
	if string(text) != want {
		t.Errorf("JSON %s\nwant %s", text, want)
	}
	for line, want := range map[string]string{
		"price x":     "price is given twice",
		"time_unit s": "time_unit is given twice",
		"seq":         "seq takes one argument, it has 0",
		"seq a b":     "seq takes one argument, it has 2",
		"tn x":        `unrecognized word "tn" in format (allowed: symbol, price, size, ts, id, side, seq, op, ref_id, time_unit, side_of)`,
	} {
		words := strings.Fields(line)
		if err := f.Set(words[0], words[1:]...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	if err := f.Set("seq", ""); err == nil {
		t.Error("an empty path was taken")
	}
}

func TestZeroFormatIsTheGenericTrade(t *testing.T) {
	for _, f := range []Format{{}, {Preset: PresetGeneric, TimeUnit: "ms", SideOf: "taker"}} {
		m, err := f.Mapping()
		if err != nil {
			t.Fatal(err)
		}
		trades, err := wire.NewDecoder(m).Decode([]byte(`{"symbol":"A","price":1,"size":2,"ts":3}`), nil)
		if err != nil || len(trades) != 1 || trades[0].Reject != core.ReasonNone {
			t.Errorf("%+v: %v, %v", f, trades, err)
		}
	}
}

func ExampleFormat_Mapping() {
	f := Format{Fields: map[string]string{"symbol": "s", "price": "data.p"}, TimeUnit: "s"}
	m, err := f.Mapping()
	fmt.Println(m.Paths[wire.FieldPrice], m.TimeUnit, err)
	// Output: data.p s <nil>
}
