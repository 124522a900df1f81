package wire

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// designKline is the record that the data model documents.
const designKline = `{"sym":"BTCUSDT","itv":"1m","t":1795239360000,"T":1795239419999,"o":"64012.1","h":"64020","l":"64000.5","c":"64010.01",` +
	`"v":"12.345","qv":"790214.77","n":42,"bv":"6.1","bqv":"390412.5","vwap":"64010.91697043","f":10441,"L":10482,"final":true,` +
	`"rev":0,"seq":1042,"q":"trades","src":{"p":3,"o0":881200,"o1":881377},"wm":1795239420511,"ep":1,` +
	`"ind":{"ema(20)":{"v":[64010.0021],"n":1042,"fl":1,"seq":988,"ver":"9f3c1a77"}}}`

func designBar() (*core.Kline, []Value) {
	return &core.Kline{
			Symbol: "BTCUSDT", Interval: "1m", OpenTime: 1795239360000, CloseTime: 1795239419999,
			PriceScale: 2, SizeScale: 3, O: 6401210, H: 6402000, L: 6400050, C: 6401001,
			V: core.Int128{Lo: 12345}, QV: core.Int128{Lo: 79021477000}, N: 42,
			BV: core.Int128{Lo: 6100}, BQV: core.Int128{Lo: 39041250000},
			First: core.TradeID{Kind: core.IDInt, Num: 10441}, Last: core.TradeID{Kind: core.IDInt, Num: 10482},
			Final: true, Seq: 1042, P: 3, O0: 881200, O1: 881377, Watermark: 1795239420511, Epoch: 1,
		}, []Value{
			{Name: "ema(20)", V: []float64{64010.0021}, N: 1042, Flags: FlagStable, Seq: 988, Ver: "9f3c1a77"},
		}
}

func TestKlineHasTheDocumentedText(t *testing.T) {
	k, ind := designBar()
	if got := string(AppendKline(nil, k, ind)); got != designKline {
		t.Errorf("got  %s\nwant %s", got, designKline)
	}
	if got := string(AppendKlineKey(nil, "BTCUSDT", "1m", 1795239360000)); got != "BTCUSDT|1m|1795239360000" {
		t.Errorf("key %s", got)
	}
}

func TestKlineKeepsRareValues(t *testing.T) {
	k, _ := designBar()
	k.Why, k.Rev, k.Final, k.Q = core.WhyLate, 2, false, core.QualityPartial
	k.First = core.TradeID{Kind: core.IDText, Text: []byte("a\"<\\\u2028é\x01")}
	k.Last = core.TradeID{}
	ind := []Value{
		{Name: "macd(12,26,9)", V: []float64{math.NaN(), -1e-9, math.Inf(1)}, Flags: FlagError | FlagQuarantined, Ver: "00000000"},
		{Name: "none()", N: -1},
	}
	out := AppendKline(nil, k, ind)
	for _, want := range []string{
		`"f":"a\u0022\u003c\u005c\u2028é\u0001","L":-1,"final":false,"rev":2,"why":"late"`, `"q":"partial"`,
		`"macd(12,26,9)":{"v":[null,-1e-09,null],"n":0,"fl":12,"seq":0,"ver":"00000000"},"none()":{"v":[],"n":-1`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
	var r KlineRecord
	if err := DecodeKline(out, &r); err != nil {
		t.Fatal(err)
	}
	var id string
	if err := json.Unmarshal(r.FirstID, &id); err != nil || id != string(k.First.Text) {
		t.Errorf("first id %s, %v", r.FirstID, err)
	}
	if r.Why != "late" || r.Final || r.Rev != 2 || r.Q != "partial" || string(r.LastID) != "-1" {
		t.Errorf("decoded %+v", r)
	}
	if v := r.Ind[0].V; len(v) != 3 || v[0] != nil || string(v[1]) != "-1e-09" || v[2] != nil || r.Ind[0].Flags != 12 {
		t.Errorf("values %+v", r.Ind)
	}
}

func TestDecodeKlineReadsForeignText(t *testing.T) {
	var fast, slow KlineRecord
	if err := DecodeKline([]byte(designKline), &fast); err != nil {
		t.Fatal(err)
	}
	foreign := strings.NewReplacer(`,"`, ", \n\"", `"BTCUSDT"`, `"BTC\u0055SDT"`, `"wm"`, `"new":{"x":1},"wm"`).Replace(designKline)
	if err := DecodeKline([]byte(foreign), &slow); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(fast, slow) {
		t.Errorf("fast %+v\nslow %+v", fast, slow)
	}
	if fast.Sym != "BTCUSDT" || string(fast.VWAP) != "64010.91697043" || fast.O1 != 881377 || string(fast.Ind[0].V[0]) != "64010.0021" {
		t.Errorf("decoded %+v", fast)
	}
}

func TestDecodeKlineNamesTheMissingKey(t *testing.T) {
	for _, test := range []struct{ old, replacement, want string }{
		{`"sym":"BTCUSDT",`, ``, `"sym"`},
		{`"o":"64012.1"`, `"o":64012.1`, `"o"`},
		{`"h":"64020"`, `"h":"0x1"`, `"h"`},
		{`"l":"64000.5"`, `"l":"1,2"`, `"l"`},
		{`"n":42`, `"n":4.2`, `"n"`},
		{`"f":10441`, `"f":{}`, `"f"`},
		{`"final":true`, `"final":1`, `"final"`},
		{`"rev":0`, `"rev":2147483648`, `"rev"`},
		{`"fl":1`, `"fl":256`, `"fl"`},
		{`[64010.0021]`, `["x"]`, `"v"`},
		{`"src":{`, `"sic":{`, `src`},
		{`"ind":{`, `"ind":[{`, `not a JSON object`},
	} {
		in := strings.Replace(designKline, test.old, test.replacement, 1)
		var r KlineRecord
		if err := DecodeKline([]byte(in), &r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s -> %s: %v, want %s", test.old, test.replacement, err, test.want)
		}
	}
	for _, in := range []string{"", "null", "[]", designKline + "x", designKline[:100]} {
		var r KlineRecord
		if DecodeKline([]byte(in), &r) == nil {
			t.Errorf("%q was accepted", in)
		}
	}
}

func TestDecodeKlineReusesTheRecord(t *testing.T) {
	var r KlineRecord
	value := []byte(designKline)
	n := testing.AllocsPerRun(100, func() {
		if err := DecodeKline(value, &r); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	none := strings.Replace(designKline, designKline[strings.Index(designKline, `,"ind"`):len(designKline)-1], "", 1)
	if err := DecodeKline([]byte(none), &r); err != nil || len(r.Ind) != 0 {
		t.Errorf("values of the record before are left: %v, %v", r.Ind, err)
	}
}

func TestRestatedRoundTrip(t *testing.T) {
	out := AppendRestated(nil, "A", "1m", "macd(12,26,9)", 3, 990, "late", "9f3c1a77", []int64{60000, 120000},
		[][]float64{{1.5, math.NaN()}, {-2, 3e21}}, []string{"macd", "signal"})
	want := `{"sym":"A","itv":"1m","ind":"macd(12,26,9)","rev":3,"seq":990,"why":"late","ver":"9f3c1a77","t":[60000,120000],` +
		`"v":[[1.5,null],[-2,3e+21]],"out":["macd","signal"]}`
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	var r RestatedRecord
	if err := DecodeRestated(out, &r); err != nil {
		t.Fatal(err)
	}
	if r.Seq != 990 || r.T[1] != 120000 || r.V[0][1] != nil || string(r.V[1][1]) != "3e+21" || r.Outputs[1] != "signal" {
		t.Errorf("decoded %+v", r)
	}
	for _, bad := range []string{`"t":[1]`, `"v":[[1.5,null]]`, `"v":[[1,2],[3]]`, `"v":{}`, `"rev":"x"`, `"out":1`} {
		key := bad[:strings.Index(bad, ":")+1]
		at := strings.Index(want, key)
		end := at + strings.Index(want[at:], `,"`)
		if end < at {
			end = len(want) - 1
		}
		if in := want[:at] + bad + want[end:]; DecodeRestated([]byte(in), &r) == nil {
			t.Errorf("accepted %s", in)
		}
	}
}

func FuzzKlineDecode(f *testing.F) {
	f.Add([]byte(designKline))
	f.Add([]byte(strings.Replace(designKline, "10441", `"x\u003cy"`, 1)))
	f.Add([]byte(strings.ReplaceAll(designKline, ",", " , ")))
	f.Fuzz(func(t *testing.T, value []byte) {
		var fast, slow KlineRecord
		c := cursor{b: value}
		if !c.kline(&fast) {
			if DecodeKline(value, &slow) == nil && !json.Valid(value) {
				t.Fatalf("accepted what is no JSON: %q", value)
			}
			return
		}
		if err := decodeKlineSlow(value, &slow); err != nil {
			t.Fatalf("only the fast parser accepts %q: %v", value, err)
		}
		if len(fast.Ind) == 0 {
			fast.Ind = nil
		}
		fast.FirstID, fast.LastID = normal(t, fast.FirstID), normal(t, fast.LastID)
		slow.FirstID, slow.LastID = normal(t, slow.FirstID), normal(t, slow.LastID)
		if a, b := asText(t, &fast), asText(t, &slow); a != b {
			t.Fatalf("%q:\nfast %s\nslow %s", value, a, b)
		}
	})
}

// normal returns the JSON text of an id in one spelling.
func normal(t *testing.T, raw []byte) []byte {
	t.Helper()
	var v any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("id %q: %v", raw, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func asText(t *testing.T, r *KlineRecord) string {
	t.Helper()
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(out), `"V":[]`, `"V":null`)
}
