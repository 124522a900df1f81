package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// mapped builds a mapping from `field path` pairs.
func mapped(t *testing.T, words ...string) *Mapping {
	t.Helper()
	m := &Mapping{}
	for i := 0; i < len(words); i += 2 {
		f, ok := ParseField(words[i])
		if !ok {
			t.Fatalf("unknown field %q", words[i])
		}
		p, err := ParsePath(words[i+1])
		if err != nil {
			t.Fatal(err)
		}
		m.Paths[f] = p
	}
	return m
}

func TestMappingPlacesFields(t *testing.T) {
	short := []string{"symbol", "s", "price", "p", "size", "q", "ts", "T", "id", "t", "side", "m"}
	nested := []string{"symbol", "arg.instId", "price", "data[].px", "size", "data[].sz", "ts", "data[].ts", "id", "data[].tradeId", "side", "data[].side"}
	for _, test := range []struct {
		name, in, want string
		words          []string
		unit           TimeUnit
		of             SideOf
	}{
		{
			name:  "short names, the buyer is the maker",
			words: short, of: SideOfMaker,
			in:   `{"e":"trade","E":5,"s":"BTCUSDT","t":12,"p":"1.50","q":"2","T":3,"m":true,"M":true}`,
			want: `{"symbol":"BTCUSDT","price":"1.5","size":"2","ts":3,"id":12,"side":"sell"}`,
		},
		{
			name:  "nested object",
			words: []string{"symbol", "data.s", "price", "data.price"},
			in:    `{"stream":"x","data":{"s":"A","price":1},"size":"2","ts":3}`, want: plainTrade,
		},
		{
			name: "array of trades beside shared fields", words: nested,
			in: `{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"x","tradeId":"1","px":"1","sz":"2","side":"sell","ts":"3"},{"tradeId":"2","px":"4","sz":"5","side":"buy","ts":"6"},7]}`,
			want: `{"symbol":"BTC-USDT","price":"1","size":"2","ts":3,"id":1,"side":"sell"} | ` +
				`{"symbol":"BTC-USDT","price":"4","size":"5","ts":6,"id":2,"side":"buy"} | decode `,
		},
		{name: "side of nobody", of: SideOfNone, in: with(`"side":"buy"`), want: plainTrade},
		{name: "maker sold", of: SideOfMaker, in: with(`"side":"Sell"`), want: with(`"side":"buy"`)},
		{name: "seconds", unit: UnitSeconds, in: `{"symbol":"A","price":1,"size":2,"ts":3}`, want: `{"symbol":"A","price":"1","size":"2","ts":3000}`},
		{
			name: "seconds with a fraction", unit: UnitSeconds, in: `{"symbol":"A","price":1,"size":2,"ts":"1.234567890"}`,
			want: `{"symbol":"A","price":"1","size":"2","ts":1234,"tn":567890}`,
		},
		{name: "below the nanosecond", unit: UnitSeconds, in: `{"symbol":"A","price":1,"size":2,"ts":1.0000000001}`, want: "ts ts"},
		{name: "microseconds", unit: UnitMicros, in: `{"symbol":"A","price":1,"size":2,"ts":1000001}`, want: `{"symbol":"A","price":"1","size":"2","ts":1000,"tn":1000}`},
		{name: "nanoseconds", unit: UnitNanos, in: `{"symbol":"A","price":1,"size":2,"ts":1000001,"tn":5}`, want: `{"symbol":"A","price":"1","size":"2","ts":1,"tn":1}`},
		{
			name: "RFC 3339", unit: UnitRFC3339, in: `{"symbol":"A","price":1,"size":2,"ts":"2024-01-02T03:04:05.678901+01:00"}`,
			want: `{"symbol":"A","price":"1","size":"2","ts":1704161045678,"tn":901000}`,
		},
		{name: "RFC 3339 after 2262", unit: UnitRFC3339, in: `{"symbol":"A","price":1,"size":2,"ts":"2300-01-02T03:04:05Z"}`, want: "ts ts"},
		{name: "number where a string was declared", unit: UnitRFC3339, in: plainTrade, want: "ts ts"},
		{name: "the field is named by its path", words: []string{"price", "d.p"}, in: `{"symbol":"A","d":{}}`, want: "price d.p"},
		{name: "object that is none", words: []string{"price", "d.p"}, in: `{"symbol":"A","d":[1]}`, want: "price d.p"},
		{name: "duplicate object, the last wins", words: []string{"price", "d.p"}, in: `{"symbol":"A","d":{"p":1},"d":{}}`, want: "price d.p"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := mapped(t, test.words...)
			m.TimeUnit, m.SideOf = test.unit, test.of
			got, err := decodeAll(t, m, test.in)
			if err != nil || got != test.want {
				t.Errorf("got %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestMappingRefusesARecordWithoutItsArray(t *testing.T) {
	m := mapped(t, "price", "data[].px")
	for _, in := range []string{`{}`, `{"data":{}}`, `{"data":null}`, `{"data":[]}`, `{"d\u0061ta":7}`} {
		if got, err := decodeAll(t, m, in); err == nil {
			t.Errorf("%s gave %q", in, got)
		}
	}
}

func TestMappingErrorsNameWhatIsWrong(t *testing.T) {
	for path, want := range map[string]string{
		"":              "it is empty",
		"a..b":          "a key is empty",
		"a.":            "a key is empty",
		"a b":           "not allowed",
		"a\x00":         "not allowed",
		`a"b`:           "not allowed",
		"ä":             "not allowed",
		"data[]":        "ends at the array of trades",
		"a[].b[].c":     "only one key",
		"a[0].b":        "not allowed",
		"a.b.c.d.e.f.g": "too many",
	} {
		if _, err := ParsePath(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("path %q: %v, want %q", path, err, want)
		}
	}
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"price", "p", "size", "p"}, `"p" already holds another field`},
		{[]string{"price", "size"}, `"size" already holds another field`},
		{[]string{"price", "p", "size", "p.q"}, `"p" already holds another field`},
		{[]string{"price", "p.q", "size", "p"}, `"p" already holds another field`},
		{[]string{"price", "d[].p", "size", "d.q"}, "an array of trades for one field"},
		{[]string{"price", "d[].p", "size", "e[].q"}, "a second array of trades"},
	} {
		if err := mapped(t, test.words...).Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("mapping %q: %v, want %q", test.words, err, test.want)
		}
	}
	if _, err := ParseTimeUnit("min"); err == nil || !strings.Contains(err.Error(), `unrecognized time_unit "min" (allowed: s, ms, us, ns, rfc3339)`) {
		t.Error(err)
	}
	if _, err := ParseSideOf("x"); err == nil || !strings.Contains(err.Error(), "allowed: taker, maker, none") {
		t.Error(err)
	}
	if _, ok := ParseField("tn"); ok {
		t.Error("tn was accepted as a word")
	}
}

func FuzzMapping(f *testing.F) {
	f.Add("s", "data.p", "data[].q")
	f.Add("a[].b", "a[].c", "a.d")
	f.Add("price", "price.x", "q")
	f.Fuzz(func(t *testing.T, symbol, price, size string) {
		m := &Mapping{}
		for field, text := range map[Field]string{FieldSymbol: symbol, FieldPrice: price, FieldSize: size} {
			p, err := ParsePath(text)
			if err != nil {
				return
			}
			if p.String() != text {
				t.Fatalf("path %q prints as %q", text, p)
			}
			m.Paths[field] = p
		}
		if m.Validate() != nil {
			return
		}
		// A record that is built along the paths has the trade in it.
		record := nest(m)
		got, err := decodeAll(t, m, record)
		if err != nil || got != plainTrade {
			t.Fatalf("mapping %q %q %q, record %s: got %s, %v", symbol, price, size, record, got, err)
		}
	})
}

// nest builds a record that holds plainTrade where m looks for it.
func nest(m *Mapping) string {
	values := map[string]any{}
	for f, v := range map[Field]string{FieldSymbol: `"A"`, FieldPrice: `"1"`, FieldSize: `"2"`, FieldTS: `3`} {
		in := values
		p := m.path(f)
		for _, key := range p[:len(p)-1] {
			child, ok := in[key].(map[string]any)
			if !ok {
				child = map[string]any{}
				in[key] = child
			}
			in = child
		}
		in[p[len(p)-1]] = v
	}
	return objectText(values)
}

func objectText(values map[string]any) string {
	var parts []string
	for key, v := range values {
		name, array := strings.CutSuffix(key, "[]")
		text, leaf := v.(string)
		if !leaf {
			text = objectText(v.(map[string]any))
		}
		if array {
			text = "[" + text + "]"
		}
		parts = append(parts, `"`+name+`":`+text)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// An array of what encloses arrays of trades went to dlq, each envelope as one trade
// without a symbol: a producer that batches the frames of a venue lost all of them.
func TestEnvelopesMayStandInAnArray(t *testing.T) {
	m := mapped(t, "symbol", "data.s", "price", "data.rows[].p", "size", "data.rows[].q", "ts", "data.rows[].t")
	const a = `{"data":{"s":"A","rows":[{"p":"1","q":"1","t":1},{"p":"2","q":"1","t":1}]}}`
	for name, c := range map[string]struct{ value, want string }{
		"two":                           {`[` + a + `,{"data":{"rows":[{"p":"3","q":"1","t":1}],"s":"B"}}]`, "A 1|A 2|B 3"},
		"no symbol of the one before":   {`[` + a + `,{"data":{"rows":[{"p":"3","q":"1","t":1}]}}]`, "A 1|A 2|symbol data.s"},
		"one without trades":            {`[{"data":{"s":"A","rows":[]}},` + a + `]`, "A 1|A 2"},
		"one that is no envelope":       {`[{"event":"subscribed"},7,` + a + `]`, "decode data.rows[]|decode |A 1|A 2"},
		"a key twice, and then escapes": {`[{"data":{"s":"X","s":"\u0041","rows":[{"p":"1","q":"1","t":1}]}}, {"data":{"s":"A","rows":[{"p":"2","q":"1","t":1}]}}]`, "A 1|A 2"},
		"none at all":                   {`[{"data":{"rows":[]}}]`, "decode"},
		"cut off":                       {`[` + a, "decode"},
	} {
		trades, err := NewDecoder(m).Decode([]byte(c.value), nil)
		var got []string
		for i := range trades {
			x := &trades[i]
			if x.Reject != core.ReasonNone {
				got = append(got, x.Reject.String()+" "+x.Field)
				continue
			}
			got = append(got, string(x.Symbol)+" "+string(core.AppendDecimal(nil, x.Price.Coef, x.Price.Scale)))
		}
		if refused := (*RejectError)(nil); errors.As(err, &refused) {
			got = append(got, refused.Reason.String())
		}
		if text := strings.Join(got, "|"); text != c.want {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}
