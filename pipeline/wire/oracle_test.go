package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// The oracle reads generic trade JSON in the plainest way: maps, big numbers,
// regular expressions. It shares nothing with the decoder but the format.

var (
	oracleSymbol  = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._:/_-]{0,31}\z`)
	oracleDecimal = regexp.MustCompile(`\A[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z`)
	oracleDigits  = regexp.MustCompile(`\A[0-9]{1,19}\z`)
	oracleInteger = regexp.MustCompile(`\A-?[0-9]+\z`)
)

// oracle returns what decodeAll would, or an error for a refused record.
func oracle(value []byte) (string, error) {
	if len(value) > MaxRecordBytes || !utf8.Valid(value) {
		return "", io.ErrUnexpectedEOF
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	if _, err := dec.Token(); err != io.EOF {
		return "", io.ErrUnexpectedEOF
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
		if _, ok := v.(map[string]any); !ok {
			return "", io.ErrUnexpectedEOF
		}
	}
	if len(list) == 0 || len(list) > MaxTrades {
		return "", io.ErrUnexpectedEOF
	}
	var out []string
	for _, el := range list {
		m, ok := el.(map[string]any)
		if !ok {
			out = append(out, "decode ")
			continue
		}
		out = append(out, oracleTrade(m))
	}
	return strings.Join(out, " | "), nil
}

func oracleTrade(m map[string]any) string {
	symbol, _ := m["symbol"].(string)
	if !oracleSymbol.MatchString(symbol) {
		return "symbol symbol"
	}
	price, why := oracleNumber(m["price"], "price")
	if why != "" {
		return why
	}
	size, why := oracleNumber(m["size"], "size")
	if why != "" {
		return why
	}
	out := `{"symbol":"` + symbol + `","price":"` + price + `","size":"` + size + `"`
	ts, ok := oracleText(m["ts"])
	ms, isInt := new(big.Int).SetString(ts, 10)
	if !ok || !oracleDigits.MatchString(ts) || !isInt || ms.Cmp(big.NewInt(math.MaxInt64/1_000_000)) > 0 {
		return "ts ts"
	}
	out += `,"ts":` + ms.String()
	if m["tn"] != nil {
		tn, ok := oracleText(m["tn"])
		n, isInt := new(big.Int).SetString(tn, 10)
		if !ok || !oracleDigits.MatchString(tn) || !isInt || n.Cmp(big.NewInt(999_999)) > 0 {
			return "ts tn"
		}
		if ns := new(big.Int).Add(new(big.Int).Mul(ms, big.NewInt(1_000_000)), n); !ns.IsInt64() {
			return "ts tn"
		}
		if n.Sign() != 0 {
			out += `,"tn":` + n.String()
		}
	}
	id, why := oracleID(m["id"])
	if why != "" {
		return why
	}
	out += id
	seq, why := oracleSeq(m["seq"])
	if why != "" {
		return why
	}
	switch side := m["side"].(type) {
	case bool:
		out += map[bool]string{true: `,"side":"buy"`, false: `,"side":"sell"`}[side]
	case string:
		if low := oracleLower(side); low == "buy" || low == "sell" {
			out += `,"side":"` + low + `"`
		}
	}
	if why := oracleOp(m); why != "" {
		return why
	}
	return out + seq + "}"
}

// oracleLower lowers ASCII only: strings.ToLower would fold the Kelvin sign.
func oracleLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func oracleText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// oracleNumber returns the shortest text of a decimal, or reason and field.
func oracleNumber(v any, field string) (text, why string) {
	s, ok := oracleText(v)
	if !ok || !oracleDecimal.MatchString(s) {
		return "", field + " " + field
	}
	if len(s) > core.MaxDecimalText {
		return "", "overflow " + field
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	exp := new(big.Int)
	if exponent != "" {
		exp.SetString(strings.TrimPrefix(exponent, "+"), 10)
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	coef, _ := new(big.Int).SetString(strings.TrimPrefix(whole+frac, "+"), 10)
	if coef.Sign() == 0 {
		return "0", ""
	}
	exp.Sub(exp, big.NewInt(int64(len(frac))))
	ten := big.NewInt(10)
	for q, r := new(big.Int), new(big.Int); ; coef.Set(q) {
		if q.QuoRem(coef, ten, r); r.Sign() != 0 {
			break
		}
		exp.Add(exp, big.NewInt(1))
	}
	if exp.Cmp(big.NewInt(18)) > 0 || exp.Cmp(big.NewInt(-255)) < 0 {
		return "", "overflow " + field
	}
	scale := 0
	if exp.Sign() > 0 {
		coef.Mul(coef, new(big.Int).Exp(ten, exp, nil))
	} else {
		scale = int(-exp.Int64())
	}
	if new(big.Int).Abs(coef).Cmp(big.NewInt(math.MaxInt64)) > 0 {
		return "", "overflow " + field
	}
	if scale > core.MaxScale {
		return coef.String() + "e-" + strconv.Itoa(scale), ""
	}
	return new(big.Rat).SetFrac(coef, new(big.Int).Exp(ten, big.NewInt(int64(scale)), nil)).FloatString(scale), ""
}

func oracleID(v any) (text, why string) {
	if v == nil {
		return "", ""
	}
	s, ok := oracleText(v)
	_, isNumber := v.(json.Number)
	if !ok || len(s) > 64 || isNumber && !oracleInteger.MatchString(s) {
		return "", "decode id"
	}
	if s == "" {
		return "", ""
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && (isNumber || strconv.FormatInt(n, 10) == s) {
		return `,"id":` + strconv.FormatInt(n, 10), ""
	}
	return `,"id":` + string(appendText(nil, s)), ""
}

func oracleSeq(v any) (text, why string) {
	if v == nil {
		return "", ""
	}
	s, _ := oracleText(v)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return "", "decode seq"
	}
	return `,"seq":` + s, ""
}

func oracleOp(m map[string]any) string {
	if m["op"] == nil {
		return ""
	}
	op, _ := m["op"].(string)
	switch oracleLower(op) {
	case "new":
		return ""
	case "cancel", "correct":
		if m["ref_id"] == nil {
			return "ref ref_id"
		}
		return "ref op"
	}
	return "decode op"
}

func FuzzDecodeTick(f *testing.F) {
	for _, seed := range []string{
		whole, plainTrade, "[" + whole + "," + plainTrade + "]", with(`"id":"a\u0020b","seq":-5,"op":"new"`),
		strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(whole),
		`{"symbol":"A","symbol":"B","price":-0.0e-3,"size":"+.5","ts":"0012","tn":999999,"side":"sElL"}`,
		`{"symbol":"A","price":1e18,"size":"1E-255","ts":9223372036854,"tn":775808}`,
		`{"symbol":"A","price":9223372036854775807,"size":0.1234567890123456789,"ts":1,"id":-0,"op":"cancel","ref_id":1}`,
		`{"symbol":"A","price":"1","size":"1","ts":1,"id":-9223372036854775809,"x":{"y":[[{}]],"z":"\ud800"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		want, wantErr := oracle(value)
		// The three ways must agree wherever they give an answer.
		ways := map[string]func(*Decoder) ([]core.Trade, error, bool){
			"Decode": func(d *Decoder) ([]core.Trade, error, bool) {
				out, err := d.Decode(value, nil)
				return out, err, true
			},
		}
		if utf8.Valid(value) && len(value) <= MaxRecordBytes {
			ways["any order"] = func(d *Decoder) ([]core.Trade, error, bool) { return d.anyOrder(value, nil) }
			ways["fallback"] = func(d *Decoder) ([]core.Trade, error, bool) {
				out, err := d.fallback(value, nil)
				return out, err, true
			}
		}
		d := NewDecoder(nil)
		for name, way := range ways {
			for range 2 { // the second time the key order is learnt
				trades, err, answered := way(d)
				if !answered {
					continue
				}
				if got := joined(trades); (err == nil) != (wantErr == nil) || err == nil && got != want {
					t.Fatalf("%s of %q:\n got %s, %v\nwant %s, %v", name, value, got, err, want, wantErr)
				}
			}
		}
	})
}

func joined(trades []core.Trade) string {
	var out []string
	for i := range trades {
		out = append(out, show(&trades[i]))
	}
	return strings.Join(out, " | ")
}

// Trades that a feed writes come back, by the fast way.
func TestAppendTradeIsCanonical(t *testing.T) {
	d := NewDecoder(nil)
	for i := range 200 {
		in := fmt.Sprintf(`{"symbol":"S%d","price":"%d.%d","size":"0.%d","ts":%d,"id":%d,"side":"%s"}`,
			i, i*7919, i+1, i*31+1, int64(i)*1e10, i-5, []string{"buy", "sell"}[i%2])
		var fast core.Trade
		trades, err := d.Decode([]byte(in), nil)
		if err != nil || trades[0].Reject != core.ReasonNone {
			t.Fatal(in, err)
		}
		out := AppendTrade(nil, &trades[0])
		if id := trades[0].ID.Num; id >= 0 && !decodeCanonical(out, &fast, &d.symbolByte) {
			t.Errorf("%s is not canonical", out)
		}
	}
}
