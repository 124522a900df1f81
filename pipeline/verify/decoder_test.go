package verify

import (
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// dialects are formats that an operator may declare.
func dialects() []adapter.Format {
	return []adapter.Format{
		{},
		{Fields: map[string]string{"price": "p", "size": "q", "ts": "T", "id": "t", "symbol": "s", "side": "m"}, SideOf: "maker"},
		{Fields: map[string]string{"price": "data[].px", "size": "data[].sz", "ts": "data[].ts", "symbol": "arg.instId", "id": "data[].tradeId", "side": "data[].side"}},
		{Fields: map[string]string{"price": "d.price", "ts": "d.time"}, TimeUnit: "rfc3339", SideOf: "none"},
		{TimeUnit: "s"}, {TimeUnit: "us"}, {TimeUnit: "ns"},
	}
}

func seeds() []string {
	return []string{
		`{"symbol":"BTCUSDT","price":"60123.45","size":"0.01234","ts":1732160000123,"id":123456789,"side":"buy","seq":881,"op":"new"}`,
		`{"size":1e-7,"price":60123.450,"ts":"1732160000123","tn":17,"symbol":"A.b_c:/-","id":"x\u0041","side":true}`,
		`[{"symbol":"A","price":".5","size":"1.","ts":1},{"symbol":"A"},7]`,
		`{"s":"BTCUSDT","p":"1","q":"2","T":1732160000123,"t":42,"m":true}`,
		`{"arg":{"instId":"BTC-USDT"},"data":[{"px":"1","sz":"2","ts":"1732160000123","tradeId":"9","side":"SELL"},{"px":"-1","sz":"2","ts":"1"}]}`,
		`[{"symbol":"A","price":"-37.63","size":1,"ts":1},{"symbol":"A","price":-0,"size":1,"ts":1},{"symbol":"A","price":"0e99999999999999999999","size":1,"ts":1}]`,
		`[{"symbol":"A","price":"-+1","size":1,"ts":1},{"symbol":"A","price":"-","size":1,"ts":1},{"symbol":"A","price":"-.50","size":-1,"ts":1},{"symbol":"A","price":"-9223372036854775808","size":1,"ts":1}]`,
		`[{"arg":{"instId":"B"},"data":[{"px":"1","sz":"2","ts":"1"},{"px":"2","sz":"2","ts":"1"},3]},7,{"event":"subscribe"},{"arg":{"instId":"C"},"data":[]},{"data":[{"px":"1","sz":"2","ts":"1"}]},{"data":[{"px":"1","sz":"2","ts":"1","px":"5"}],"arg":{"instId":"A"}}]`,
		`[{"data":[]},{"data":[]}]`, `[{"data":1}]`, `[{"data":[{"px":"1","sz":"2","ts":"1"}],"arg":{"instId":"A"}},{"data":[{}]}`,
		`{"symbol":"A","size":1,"d":{"price":"1.10","time":"2024-08-09T00:00:00.123456789Z"}}`,
		`{"symbol":"A","price":1,"size":1,"ts":1732160000.123456789,"id":-0}`,
		`{"symbol":"A","price":1,"size":1,"ts":1732160000,"id":99999999999999999999,"seq":"-3","op":"cancel","ref_id":3}`,
		`{"symbol":"A","price":"0.0000000000000000001","size":"92233720368547758070","ts":1,"price":null}`,
		`{"symbol":"A","price":"+1","size":"00001","ts":00001}`, `{"symbol":"A","price":01,"size":1,"ts":1}`, `{}`, `[]`, `[[]]`, "\xff", "",
		`{"symbol":"A","price":"1e18","size":"1e-18","ts":9223372036854,"tn":999999}`, `{"symbol":"A","price":1E+2,"size":1,"ts":1} x`,
	}
}

// FuzzDecoder holds the two decoders of trades against each other. They share
// no code, so that one of them may be wrong without the other.
func FuzzDecoder(f *testing.F) {
	for _, s := range seeds() {
		for d := range dialects() {
			f.Add([]byte(s), d)
		}
	}
	f.Fuzz(func(t *testing.T, value []byte, d int) {
		format := dialects()[((d%len(dialects()))+len(dialects()))%len(dialects())]
		mapping, err := format.Mapping()
		if err != nil {
			t.Fatal(err)
		}
		mine, err := newDecoder(Format{Paths: format.Fields, TimeUnit: format.TimeUnit, SideOf: format.SideOf})
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := wire.NewDecoder(mapping).Decode(value, nil)
		got, ok := mine.decode(value)
		if ok != (err == nil) {
			t.Fatalf("%q: record usable %v, the engine says %v", value, ok, err)
		}
		if !ok {
			return
		}
		if len(got) != len(theirs) {
			t.Fatalf("%q: %d trades, the engine has %d", value, len(got), len(theirs))
		}
		for i := range got {
			if why := disagree(&got[i], &theirs[i]); why != "" {
				t.Fatalf("%q: trade %d: %s: %+v, the engine has %+v", value, i, why, got[i], theirs[i])
			}
		}
	})
}

// disagree says in what two readings of a trade differ. The engine's step
// refuses some that its decoder lets pass.
func disagree(a *trade, b *core.Trade) string {
	usable := b.Reject == core.ReasonNone && b.Size.Coef > 0 && b.Price.Scale <= core.MaxScale && b.Size.Scale <= core.MaxScale
	switch {
	case (a.fault == "") != usable:
		return "one is unusable"
	case !usable:
		return ""
	case string(a.symbol) != string(b.Symbol):
		return "symbol"
	case a.price != amount{uint64(max(b.Price.Coef, -b.Price.Coef)), b.Price.Scale, b.Price.Coef < 0} || a.size != amount{uint64(b.Size.Coef), b.Size.Scale, false}:
		return "price or size"
	case a.ns != b.EventNS:
		return "time"
	case a.buy != (b.Side == core.SideBuy):
		return "side"
	case a.hasSeq != b.HasSeq || a.seq != b.Seq:
		return "seq"
	case a.kind != uint8(b.ID.Kind) || a.num != b.ID.Num || string(a.text) != string(b.ID.Text):
		return "id"
	}
	return ""
}

func TestBothDecodersReadTheSeedsInEveryDialect(t *testing.T) {
	good := 0
	for _, format := range dialects() {
		d, err := newDecoder(Format{Paths: format.Fields, TimeUnit: format.TimeUnit, SideOf: format.SideOf})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range seeds() {
			trades, _ := d.decode([]byte(s))
			for i := range trades {
				if trades[i].fault == "" {
					good++
				}
			}
		}
	}
	if good < 10 {
		t.Errorf("%d usable trades: the seeds test little", good)
	}
	if _, err := newDecoder(Format{TimeUnit: "fortnight"}); err == nil || !strings.Contains(err.Error(), "fortnight") {
		t.Errorf("an unknown unit: %v", err)
	}
}
