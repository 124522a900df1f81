package history

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// untab reads what AppendTab wrote, as both servers do.
func untab(text string) string {
	return strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(text)
}

func TestTabSeparatedTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab\\\t\n\r\"nt,ü"))).Draw(t, "text")
		out := string(AppendTab(nil, text))
		if strings.ContainsAny(out, "\t\n\r") {
			t.Fatalf("%q holds a separator", out)
		}
		if back := untab(out); back != text {
			t.Fatalf("%q became %q and came back as %q", text, out, back)
		}
	})
}

func TestFitsCountsDigits(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "1": true, "123": true, "1234": false, "-123": true, "-1234": false,
		"1.5": true, "123.45": true, "123.456": false, "0.001": false, "-0.01": true,
	} {
		if got := Fits([]byte(text), 3, 2); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		coef := rapid.Int64Range(-1_000_000, 1_000_000).Draw(t, "coef")
		scale := rapid.Uint8Range(0, 8).Draw(t, "scale")
		text := core.AppendDecimal(nil, coef, scale)
		value, _ := new(big.Rat).SetString(string(text))
		scaled := new(big.Rat).Mul(value, big.NewRat(10_000, 1))
		want := scaled.IsInt() && new(big.Rat).Abs(value).Cmp(big.NewRat(1000, 1)) < 0
		if got := Fits(text, 3, 4); got != want {
			t.Fatalf("%s: %v, want %v", text, got, want)
		}
	})
}

func TestIDsOfTradesWithoutOneAreTheirPlace(t *testing.T) {
	place := Origin{P: 3, Offset: 881, Index: 2}
	for want, id := range map[string]core.TradeID{"3/881/2": {}, "42": {Kind: core.IDInt, Num: 42}, "a-1": {Kind: core.IDText, Text: []byte("a-1")}} {
		tr := Trade{Trade: core.Trade{ID: id}, Origin: place}
		if got := string(tr.AppendID(nil)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestValuesAreOneJSONObject(t *testing.T) {
	k := Kline{KlineRecord: wire.KlineRecord{Ind: []wire.IndRecord{
		{Name: "macd(12,26,9)", V: [][]byte{[]byte("1.5"), nil}, N: 7, Flags: 1, Seq: 9, Ver: "9f3c1a77"}, {Name: `a"b`, V: [][]byte{[]byte("2")}},
	}}}
	var got map[string]struct {
		V   []*float64
		N   int64
		Fl  int
		Seq int64
		Ver string
	}
	if err := json.Unmarshal(k.AppendValues(nil), &got); err != nil {
		t.Fatalf("%s: %v", k.AppendValues(nil), err)
	}
	if m := got["macd(12,26,9)"]; len(got) != 2 || len(m.V) != 2 || *m.V[0] != 1.5 || m.V[1] != nil || m.N != 7 || m.Fl != 1 || m.Seq != 9 || m.Ver != "9f3c1a77" {
		t.Errorf("got %s", k.AppendValues(nil))
	}
	if none := new(Kline).AppendValues(nil); len(none) != 0 {
		t.Errorf("no values are %q", none)
	}
}

func TestPlainIDs(t *testing.T) {
	for raw, want := range map[string]string{`42`: "42", `-1`: "-1", `"a\"b"`: `a"b`, ``: "", `"`: `"`} {
		if got := string(Plain([]byte(raw))); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
