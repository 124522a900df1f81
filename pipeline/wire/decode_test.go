package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// show prints a trade as a test table writes it.
func show(t *core.Trade) string {
	if t.Reject != core.ReasonNone {
		return t.Reject.String() + " " + t.Field
	}
	return string(AppendTrade(nil, t))
}

func decodeAll(t *testing.T, m *Mapping, in string) (string, error) {
	t.Helper()
	trades, err := NewDecoder(m).Decode([]byte(in), nil)
	var out []string
	for i := range trades {
		out = append(out, show(&trades[i]))
	}
	return strings.Join(out, " | "), err
}

const (
	whole      = `{"symbol":"BTCUSDT","price":"60123.45","size":"0.01234","ts":1732160000123,"id":123456789,"side":"buy","seq":881}`
	plainTrade = `{"symbol":"A","price":"1","size":"2","ts":3}`
)

func with(field string) string { return `{"symbol":"A","price":"1","size":"2","ts":3,` + field + `}` }

func TestDecodeReadsEveryFormOfATrade(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"canonical", whole, whole},
		{"with op", strings.Replace(whole, "}", `,"op":"new"}`, 1), whole},
		{"with spaces", strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(whole), whole},
		{"trailing newline", whole + "\n", whole},
		{"only what is required", plainTrade, plainTrade},
		{"any order", `{"ts":3,"size":"2","price":"1","symbol":"A"}`, plainTrade},
		{"numbers instead of strings", `{"symbol":"A","price":1.50,"size":2e0,"ts":3}`, `{"symbol":"A","price":"1.5","size":"2","ts":3}`},
		{"exponent as Python writes it", `{"symbol":"A","price":1e-07,"size":"2","ts":3}`, `{"symbol":"A","price":"0.0000001","size":"2","ts":3}`},
		{"trailing zeros", `{"symbol":"A","price":"1.50000000","size":"2.00","ts":3}`, `{"symbol":"A","price":"1.5","size":"2","ts":3}`},
		{"time in a string", `{"symbol":"A","price":"1","size":"2","ts":"3"}`, plainTrade},
		{"time with leading zeros", `{"symbol":"A","price":"1","size":"2","ts":"0000000000000000003"}`, plainTrade},
		{"nanoseconds", with(`"tn":7,"id":1`), `{"symbol":"A","price":"1","size":"2","ts":3,"tn":7,"id":1}`},
		{"id in a string is the integer", with(`"id":"42"`), with(`"id":42`)},
		{"id with leading zero is text", with(`"id":"042"`), with(`"id":"042"`)},
		{"id beyond int64 keeps its text", with(`"id":18446744073709551615`), with(`"id":"18446744073709551615"`)},
		{"lowest id", with(`"id":-9223372036854775808`), with(`"id":-9223372036854775808`)},
		{"minus zero", with(`"id":-0`), with(`"id":0`)},
		{"id of 64 bytes", with(`"id":"` + strings.Repeat("x", 64) + `"`), with(`"id":"` + strings.Repeat("x", 64) + `"`)},
		{"empty id is none", with(`"id":""`), plainTrade},
		{"null is missing", with(`"id":null,"side":null,"seq":null,"op":null,"tn":null`), plainTrade},
		{"side in capitals", with(`"side":"SELL"`), with(`"side":"sell"`)},
		{"boolean side", with(`"side":true`), with(`"side":"buy"`)},
		{"unknown side", with(`"side":"cross"`), plainTrade},
		{"seq in a string", with(`"seq":"9"`), with(`"seq":9`)},
		{"unknown keys", with(`"x":{"symbol":"B","y":[1,{"price":[]}]},"z":"\u0041"`), plainTrade},
		{"deep unknown value", with(`"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), plainTrade},
		{"escaped key and value", `{"\u0073ymbol":"\u0041","price":"1","size":"2","ts":3}`, plainTrade},
		{"duplicate key, the last wins", `{"symbol":"B","price":"1","size":"2","ts":3,"symbol":"A"}`, plainTrade},
		{"duplicate key, null wins too", `{"symbol":"A","price":"1","price":null,"size":"2","ts":3}`, "price price"},
		{"array", "[" + plainTrade + ", " + plainTrade + "]", plainTrade + " | " + plainTrade},
		{"array with a bad trade keeps indexes", "[" + plainTrade + `,{"symbol":"A"},7,` + plainTrade + "]", plainTrade + " | price price | decode  | " + plainTrade},
		{"symbols as they are", `{"symbol":"BTC/USD:x_y-z.1","price":"1","size":"2","ts":3}`, `{"symbol":"BTC/USD:x_y-z.1","price":"1","size":"2","ts":3}`},
		{"white space everywhere", " {\n\t\"symbol\" : \"A\" ,\r\n \"price\":\"1\" , \"size\" :\"2\",\"ts\": 3 } ", plainTrade},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := decodeAll(t, nil, test.in)
			if err != nil || got != test.want {
				t.Errorf("decoded %s\n got %s, %v\nwant %s", test.in, got, err, test.want)
			}
		})
	}
}

func TestDecodeNamesReasonAndField(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{}`, "symbol symbol"},
		{`{"symbol":7}`, "symbol symbol"},
		{`{"symbol":"","price":"1","size":"1","ts":1}`, "symbol symbol"},
		{`{"symbol":"A|B","price":"1","size":"1","ts":1}`, "symbol symbol"},
		{`{"symbol":".A","price":"1","size":"1","ts":1}`, "symbol symbol"},
		{`{"symbol":"` + strings.Repeat("A", 33) + `","price":"1","size":"1","ts":1}`, "symbol symbol"},
		{`{"symbol":"Ä","price":"1","size":"1","ts":1}`, "symbol symbol"},
		{`{"symbol":"A","price":"abc","size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":"0x10","size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":"NaN","size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":true,"size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":{"v":1},"size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":" 1","size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":"1.` + strings.Repeat("0", 39) + `","size":"1","ts":1}`, "overflow price"},
		{`{"symbol":"A","price":"` + strings.Repeat("9", 40) + `","size":"1","ts":1}`, "overflow price"},
		{`{"symbol":"A","price":"` + strings.Repeat("9", 41) + `","size":"1","ts":1}`, "overflow price"},
		{`{"symbol":"A","price":` + strings.Repeat("9", 41) + `,"size":"1","ts":1}`, "overflow price"},
		{`{"ts":1,"size":` + strings.Repeat("9", 41) + `,"price":1,"symbol":"A"}`, "overflow size"},
		{`{"symbol":"A","price":"` + strings.Repeat("9", 41) + `x","size":"1","ts":1}`, "price price"},
		{`{"symbol":"A","price":"9223372036854775808","size":"1","ts":1}`, "overflow price"},
		{`{"symbol":"A","price":"1","size":"1,5","ts":1}`, "size size"},
		{`{"symbol":"A","price":"1","size":"","ts":1}`, "size size"},
		{`{"symbol":"A","price":"1","ts":1}`, "size size"},
		{`{"symbol":"A","price":"1","size":"1"}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":-1}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":1.5}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":18446744073709551617}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":99999999999999999999999}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":"00000000000000000001"}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":1e12}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":9223372036855}`, "ts ts"},
		{`{"symbol":"A","price":"1","size":"1","ts":"2024-01-02T03:04:05Z"}`, "ts ts"},
		{with(`"tn":1000000`), "ts tn"},
		{with(`"tn":-1`), "ts tn"},
		{with(`"id":1.5`), "decode id"},
		{with(`"id":[1]`), "decode id"},
		{with(`"id":"` + strings.Repeat("x", 65) + `"`), "decode id"},
		{with(`"seq":"x"`), "decode seq"},
		{with(`"seq":9223372036854775808`), "decode seq"},
		{with(`"op":"void"`), "decode op"},
		{with(`"op":"cancel"`), "ref ref_id"},
		{with(`"op":"cancel","ref_id":7`), "ref op"},
		{with(`"op":"correct","ref_id":"x"`), "ref op"},
	} {
		t.Run(test.in, func(t *testing.T) {
			got, err := decodeAll(t, nil, test.in)
			if err != nil || got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestDecodeRefusesWholeRecords(t *testing.T) {
	big := with(`"x":"` + strings.Repeat("x", MaxRecordBytes) + `"`)
	for _, test := range []struct {
		name, in string
		want     core.Reason
	}{
		{"empty", "", core.ReasonDecode},
		{"a number", "7", core.ReasonDecode},
		{"null", "null", core.ReasonDecode},
		{"empty array", "[]", core.ReasonDecode},
		{"truncated", whole[:len(whole)-1], core.ReasonDecode},
		{"trailing data", whole + "x", core.ReasonDecode},
		{"two objects", whole + whole, core.ReasonDecode},
		{"trailing comma", `{"symbol":"A",}`, core.ReasonDecode},
		{"NaN", `{"symbol":"A","price":NaN,"size":1,"ts":1}`, core.ReasonDecode},
		{"hexadecimal", `{"symbol":"A","price":0x10,"size":1,"ts":1}`, core.ReasonDecode},
		{"leading zero", `{"symbol":"A","price":01,"size":1,"ts":1}`, core.ReasonDecode},
		{"plus sign", `{"symbol":"A","price":+1,"size":1,"ts":1}`, core.ReasonDecode},
		{"single quotes", `{'symbol':'A'}`, core.ReasonDecode},
		{"control character in a string", with("\"id\":\"a\nb\""), core.ReasonDecode},
		{"invalid UTF-8", with("\"id\":\"\xff\""), core.ReasonDecode},
		{"invalid UTF-8 in an unknown key", with("\"\xff\":1"), core.ReasonDecode},
		{"byte order mark", "\ufeff" + whole, core.ReasonDecode},
		{"broken element", "[" + whole + ",{]", core.ReasonDecode},
		{"too large", big, core.ReasonTooLarge},
		{"too many trades", "[" + strings.Repeat("{},", MaxTrades) + "{}]", core.ReasonTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			dst := make([]core.Trade, 1, 8)
			out, err := NewDecoder(nil).Decode([]byte(test.in), dst)
			var re *RejectError
			if !errors.As(err, &re) || re.Reason != test.want {
				t.Fatalf("got %v, want reason %s", err, test.want)
			}
			if len(out) != len(dst) {
				t.Errorf("%d trades were added beside the error", len(out)-len(dst))
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	pad := MaxRecordBytes - len(with(`"x":""`))
	for extra, ok := range map[int]bool{-1: true, 0: true, 1: false} {
		_, err := decodeAll(t, nil, with(`"x":"`+strings.Repeat("x", pad+extra)+`"`))
		if (err == nil) != ok {
			t.Errorf("record of the limit %+d bytes: %v", extra, err)
		}
	}
	for n, ok := range map[int]bool{MaxTrades - 1: true, MaxTrades: true, MaxTrades + 1: false} {
		_, err := decodeAll(t, nil, "["+strings.Repeat("{},", n-1)+"{}]")
		if (err == nil) != ok {
			t.Errorf("%d trades: %v", n, err)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	anyOrder := `{"ts":1732160000123,"symbol":"BTCUSDT","side":"buy","size":"0.01234","price":"60123.45","id":"x-1","ch":"x"}`
	for _, in := range []string{whole, anyOrder, "[" + whole + "," + anyOrder + "]"} {
		d, dst := NewDecoder(nil), make([]core.Trade, 0, 2)
		value := []byte(in)
		n := testing.AllocsPerRun(100, func() {
			if _, err := d.Decode(value, dst); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", in, n)
		}
	}
}

func ExampleDecoder_Decode() {
	d := NewDecoder(nil)
	trades, err := d.Decode([]byte(`{"symbol":"BTCUSDT","price":60123.45,"size":"0.1","ts":1732160000123,"side":"Buy"}`), nil)
	fmt.Println(len(trades), err, string(trades[0].Symbol), trades[0].Price, trades[0].Side)
	// Output: 1 <nil> BTCUSDT {6012345 2} buy
}
