package adapter

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// one reads a frame that holds exactly one trade.
func one(t *testing.T, preset, frame string) Trade {
	t.Helper()
	m, err := reader(t, preset, Options{}).Frame([]byte(frame))
	if err != nil || m.Kind != KindTrades || len(m.Trades) != 1 {
		t.Fatalf("%s: %d trades, kind %d, %v", frame, len(m.Trades), m.Kind, err)
	}
	return m.Trades[0]
}

// reads checks a trade that must be usable.
func reads(t *testing.T, got Trade, symbol, price, size string, ns int64, id string, side core.Side) {
	t.Helper()
	text := string(got.ID.Text)
	if got.ID.Kind == core.IDInt {
		text = string(core.AppendDecimal(nil, got.ID.Num, 0))
	}
	p := string(core.AppendDecimal(nil, got.Price.Coef, got.Price.Scale))
	q := string(core.AppendDecimal(nil, got.Size.Coef, got.Size.Scale))
	if got.Reject != core.ReasonNone || string(got.Symbol) != symbol || p != price || q != size || got.EventNS != ns || text != id || got.Side != side {
		t.Errorf("read %s %s x %s at %d, id %s, side %q, reject %s %s", got.Symbol, p, q, got.EventNS, text, got.Side, got.Reject, got.Field)
	}
}

const (
	binanceSold   = `{"e":"trade","E":1700000000123,"s":"BTCUSDT","t":12345,"p":"60123.45","q":"0.012","T":1700000000100,"m":true,"M":true}`
	binanceBought = `{"e":"trade","E":1700000000123,"s":"BTCUSDT","t":12346,"p":"60123.45","q":"0.012","T":1700000000100,"m":false,"M":true}`
)

func TestBinanceBuyerIsMakerMeansTheTakerSold(t *testing.T) {
	reads(t, one(t, "binance", binanceSold), "BTCUSDT", "60123.45", "0.012", 1700000000100e6, "12345", core.SideSell)
	reads(t, one(t, "binance", binanceBought), "BTCUSDT", "60123.45", "0.012", 1700000000100e6, "12346", core.SideBuy)
}

func TestBinanceKeysThatDifferInCaseAreDifferentKeys(t *testing.T) {
	// M is true in both: a reader that folds case would take it for m.
	if got := one(t, "binance", binanceBought).Side; got != core.SideBuy {
		t.Errorf("side %q", got)
	}
	// E stands behind T: a reader that folds case would take the time of the frame.
	frame := `{"e":"trade","s":"A","t":1,"T":1700000000100,"E":1700000000123,"p":"1","P":"9","q":"2","Q":"8","m":false,"M":true}`
	reads(t, one(t, "binance", frame), "A", "1", "2", 1700000000100e6, "1", core.SideBuy)
}

func TestBinanceEventTimeIsTheTradesNotTheFrames(t *testing.T) {
	if got := one(t, "binance", binanceSold).EventNS; got != 1700000000100e6 {
		t.Errorf("event time %d", got)
	}
}

func TestBinanceFramesMayBeWrapped(t *testing.T) {
	reads(t, one(t, "binance", `{"stream":"btcusdt@trade","data":`+binanceSold+`}`), "BTCUSDT", "60123.45", "0.012", 1700000000100e6, "12345", core.SideSell)
}

func TestBinanceAggregatedTradesAreNumberedByTheirOwnIDs(t *testing.T) {
	frame := `{"e":"aggTrade","E":5,"s":"A","a":77,"p":"1","q":"2","f":100,"l":104,"T":4,"m":false,"M":true}`
	got := one(t, "binance_agg", frame)
	reads(t, got, "A", "1", "2", 4e6, "77", core.SideBuy)
	if got.Span != 1 {
		t.Errorf("span %d: the gap test counts a, not f and l", got.Span)
	}
	m, err := reader(t, "binance", Options{}).Frame([]byte(frame))
	if err != nil || m.Kind != KindUnknown {
		t.Errorf("an aggregated trade among trades: kind %d, %v", m.Kind, err)
	}
}

func TestBinanceAnswersNameNoSymbol(t *testing.T) {
	p, err := reader(t, "binance", Options{}).Page("BTCUSDT", []byte(`[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.0","time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]`))
	if err != nil || len(p.Trades) != 1 {
		t.Fatalf("%v, %v", p, err)
	}
	reads(t, p.Trades[0], "BTCUSDT", "4.000001", "12", 1499865549590e6, "28457", core.SideSell)
}

func TestCoinbaseSideIsTheMakers(t *testing.T) {
	frame := `{"type":"match","trade_id":10,"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"5.23512","price":"400.23","product_id":"BTC-USD","sequence":50,"time":"2014-11-07T08:19:27.028459Z"}`
	reads(t, one(t, "coinbase", frame), "BTC-USD", "400.23", "5.23512", 1415348367028459e3, "10", core.SideBuy)
	reads(t, one(t, "coinbase", strings.Replace(frame, `"sell"`, `"buy"`, 1)), "BTC-USD", "400.23", "5.23512", 1415348367028459e3, "10", core.SideSell)
	p, err := reader(t, "coinbase", Options{}).Page("BTC-USD", []byte(`[{"time":"2014-11-07T22:19:28.578544Z","trade_id":74,"price":"10.00","size":"0.01","side":"buy"},{"time":"2014-11-07T01:08:43.642366Z","trade_id":73,"price":"100","size":"0.01","side":"sell"}]`))
	if err != nil || len(p.Trades) != 2 {
		t.Fatalf("%v, %v", p, err)
	}
	reads(t, p.Trades[0], "BTC-USD", "100", "0.01", 1415322523642366e3, "73", core.SideBuy)
	reads(t, p.Trades[1], "BTC-USD", "10", "0.01", 1415398768578544e3, "74", core.SideSell)
}

func TestCoinbaseLastMatchIsAnOldTrade(t *testing.T) {
	frame := `{"type":"last_match","trade_id":10,"side":"sell","size":"1","price":"2","product_id":"A-B","time":"2014-11-07T08:19:27.028459Z"}`
	m, err := reader(t, "coinbase", Options{}).Frame([]byte(frame))
	if err != nil || !m.Snapshot || len(m.Trades) != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	m, err = reader(t, "coinbase", Options{}).Frame([]byte(strings.Replace(frame, "last_match", "match", 1)))
	if err != nil || m.Snapshot {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestCoinbaseHeartbeatsTellTheNewestID(t *testing.T) {
	m, err := reader(t, "coinbase", Options{}).Frame([]byte(`{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}`))
	if err != nil || m.Kind != KindControl || m.Symbol != "BTC-USD" || m.LastID != 20 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestCoinbaseAdvancedSideIsTheMakersToo(t *testing.T) {
	frame := `{"channel":"market_trades","client_id":"","timestamp":"2023-02-09T20:19:35.39625135Z","sequence_num":0,"events":[{"type":"snapshot","trades":[` +
		`{"trade_id":"12","product_id":"ETH-USD","price":"1260.01","size":"0.3","side":"BUY","time":"2019-08-14T20:42:27.265Z"},` +
		`{"trade_id":"11","product_id":"ETH-USD","price":"1260.00","size":"0.1","side":"SELL","time":"2019-08-14T20:42:26.265Z"}]}]}`
	m, err := reader(t, "coinbase_advanced", Options{}).Frame([]byte(frame))
	if err != nil || len(m.Trades) != 2 || !m.Snapshot {
		t.Fatalf("%+v, %v", m, err)
	}
	reads(t, m.Trades[0], "ETH-USD", "1260", "0.1", 1565815346265e6, "11", core.SideBuy)
	reads(t, m.Trades[1], "ETH-USD", "1260.01", "0.3", 1565815347265e6, "12", core.SideSell)
}

func TestOKXCountSpansIDs(t *testing.T) {
	frame := `{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"}]}`
	got := one(t, "okx", frame)
	reads(t, got, "BTC-USDT", "42219.9", "0.12060306", 1630048897897e6, "130639474", core.SideBuy)
	if got.Span != 3 || got.First() != 130639472 {
		t.Errorf("span %d from %d", got.Span, got.First())
	}
	for _, count := range []string{`"0"`, `"-1"`, `"x"`, `1.5`, `"130639475"`} {
		if got := one(t, "okx", strings.Replace(frame, `"3"`, count, 1)); got.Reject != core.ReasonDecode || got.Field != "count" {
			t.Errorf("count %s: %s %s", count, got.Reject, got.Field)
		}
	}
}

func TestOKXContractsAreNotBaseUnits(t *testing.T) {
	frame := `{"arg":{"channel":"trades","instId":"UNI-USD-SWAP"},"data":[{"instId":"UNI-USD-SWAP","tradeId":"12883020","px":"5.123","sz":"100","side":"sell","ts":"1652459215150"}]}`
	if got := one(t, "okx", frame); got.Reject != core.ReasonSize || got.Field != "sz" {
		t.Errorf("a contract count was taken for base units: %s %s", got.Reject, got.Field)
	}
	m, err := reader(t, "okx", Options{Contracts: true}).Frame([]byte(frame))
	if err != nil {
		t.Fatal(err)
	}
	reads(t, m.Trades[0], "UNI-USD-SWAP", "5.123", "100", 1652459215150e6, "12883020", core.SideSell)
}

func TestKrakenNumbersKeepTheirText(t *testing.T) {
	// 0.1 + 0.2 is what a float64 makes of the first, the second has more digits than one holds.
	frame := `{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.30000000000000004,"qty":12345678901.23456789,"ord_type":"market","trade_id":4665846,"timestamp":"2023-09-25T07:48:36.925533Z"}]}`
	got := one(t, "kraken", frame)
	if got.Price != (core.Decimal{Coef: 30000000000000004, Scale: 17}) || got.Size != (core.Decimal{Coef: 1234567890123456789, Scale: 8}) {
		t.Errorf("price %+v, size %+v", got.Price, got.Size)
	}
	reads(t, got, "MATIC/USD", "0.30000000000000004", "12345678901.23456789", 1695628116925533e3, "4665846", core.SideSell)
}

func TestKrakenSecondsKeepTheirFraction(t *testing.T) {
	p, err := reader(t, "kraken", Options{}).Page("XBT/USD", []byte(`{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953]],"last":"1688671969993150842"}}`))
	if err != nil || len(p.Trades) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	reads(t, p.Trades[0], "XBT/USD", "30243.4", "0.34507674", 1688669597827736900, "61044952", core.SideBuy)
	reads(t, p.Trades[1], "XBT/USD", "30243.3", "0.0037696", 1688669598280411200, "61044953", core.SideSell)
}

func TestKrakenV1IDsAreMadeOfTheTrade(t *testing.T) {
	const row = `["354.11","0.89","1618678142.557535","s","l",""]`
	read := func(frame string) []Trade {
		m, err := reader(t, "kraken_v1", Options{}).Frame([]byte(frame))
		if err != nil {
			t.Fatal(err)
		}
		return m.Trades
	}
	twice := read(`[993,[` + row + `,` + row + `],"trade","XMR/USD"]`)
	if len(twice) != 2 || string(twice[0].ID.Text) == string(twice[1].ID.Text) || len(twice[0].ID.Text) == 0 {
		t.Errorf("equal trades of one frame: ids %q and %q", twice[0].ID.Text, twice[1].ID.Text)
	}
	again := read(`[993,[` + row + `],"trade","XMR/USD"]`)
	if string(again[0].ID.Text) != string(twice[0].ID.Text) || again[0].Span != 0 {
		t.Errorf("the same trade again: id %q, was %q", again[0].ID.Text, twice[0].ID.Text)
	}
	for _, other := range []string{`["354.12","0.89","1618678142.557535","s","l",""]`, `["354.11","0.9","1618678142.557535","s","l",""]`, `["354.11","0.89","1618678142.557536","s","l",""]`, `["354.11","0.89","1618678142.557535","b","l",""]`} {
		if got := read(`[993,[` + other + `],"trade","XMR/USD"]`); string(got[0].ID.Text) == string(again[0].ID.Text) {
			t.Errorf("%s has the id of another trade", other)
		}
	}
}

func TestBybitIDsAreNotNumbers(t *testing.T) {
	frame := `{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false,"seq":1783284617}]}`
	got := one(t, "bybit", frame)
	reads(t, got, "BTCUSDT", "16578.5", "0.001", 1672304486865e6, "20f43950-d8dd-5b31-9112-a178eb6023af", core.SideBuy)
	if got.Span != 0 || !got.HasSeq || got.Seq != 1783284617 {
		t.Errorf("span %d, seq %d", got.Span, got.Seq)
	}
	reads(t, one(t, "bybit", strings.Replace(frame, `"Buy"`, `"Sell"`, 1)), "BTCUSDT", "16578.5", "0.001", 1672304486865e6, "20f43950-d8dd-5b31-9112-a178eb6023af", core.SideSell)
}

func TestBybitV2TimeIsTheOneWithMilliseconds(t *testing.T) {
	frame := `{"topic":"trade.BTCUSDT","data":[{"trade_time_ms":1618677786614,"timestamp":"2021-04-17T16:43:06.000Z","symbol":"BTCUSDT","side":"Sell","size":4,"price":60621.5,"tick_direction":"PlusTick","trade_id":"5ffb8b77","cross_seq":5938955347}]}`
	reads(t, one(t, "bybit_v2", frame), "BTCUSDT", "60621.5", "4", 1618677786614e6, "5ffb8b77", core.SideSell)
}

func TestBinanceInverseContractsAreNotBaseUnits(t *testing.T) {
	const frame = `{"e":"aggTrade","E":1700000000123,"s":"BTCUSD_PERP","a":1,"p":"60123.4","q":"5","f":1,"l":1,"T":1700000000100,"m":true}`
	if got := one(t, "binance_agg", frame); got.Reject != core.ReasonSize || got.Field != "q" {
		t.Errorf("5 contracts of 100 USD were taken for 5 BTC: %+v", got)
	}
	page, err := reader(t, "binance", Options{}).Page("BTCUSD_240628", []byte(`[{"id":1,"price":"1","qty":"5","baseQty":"0.1","time":1700000000100,"isBuyerMaker":true}]`))
	if err != nil || len(page.Trades) != 1 || page.Trades[0].Reject != core.ReasonSize {
		t.Errorf("%+v, %v", page, err)
	}
	m, err := reader(t, "binance_agg", Options{Contracts: true}).Frame([]byte(frame))
	if err != nil || m.Trades[0].Reject != core.ReasonNone {
		t.Errorf("%+v, %v", m, err)
	}
	linear := strings.Replace(frame, "BTCUSD_PERP", "BTCUSDT_240628", 1) // counts BTC
	if got := one(t, "binance_agg", linear); got.Reject != core.ReasonNone {
		t.Errorf("%+v", got)
	}
}

func TestBybitInverseContractsAreInQuoteCurrency(t *testing.T) {
	frame := `{"topic":"publicTrade.X","data":[{"T":1,"s":"X","S":"Buy","v":"1","p":"2","i":"a"}]}`
	for symbol, refused := range map[string]bool{"BTCUSD": true, "BTCUSDZ25": true, "BTCUSDT": false, "USDEUSDT": false, "BTCPERP": false} {
		got := one(t, "bybit", strings.ReplaceAll(frame, "X", symbol))
		if (got.Reject == core.ReasonSize) != refused {
			t.Errorf("%s: %s", symbol, got.Reject)
		}
	}
}

func TestBybitV3BuyerIsTakerTheOppositeOfBinance(t *testing.T) {
	frame := `{"data":{"v":"2100000000007764263","t":1661743342713,"p":"19875.72","q":"0.000239","m":true,"type":"0"},"type":"snapshot","topic":"trade.BTCUSDT","ts":1661743343713}`
	reads(t, one(t, "bybit_v3", frame), "BTCUSDT", "19875.72", "0.000239", 1661743342713e6, "2100000000007764263", core.SideBuy)
	reads(t, one(t, "bybit_v3", strings.Replace(frame, "true", "false", 1)), "BTCUSDT", "19875.72", "0.000239", 1661743342713e6, "2100000000007764263", core.SideSell)
}

func TestUnknownSideIsNotGuessed(t *testing.T) {
	for preset, frame := range map[string]string{
		"okx":     `{"arg":{"channel":"trades"},"data":[{"instId":"A-B","tradeId":"1","px":"1","sz":"1","side":"?","ts":"1"}]}`,
		"binance": `{"e":"trade","s":"A","t":1,"p":"1","q":"1","T":1}`,
	} {
		if got := one(t, preset, frame); got.Reject != core.ReasonNone || got.Side != core.SideUnknown {
			t.Errorf("%s: side %q, %s", preset, got.Side, got.Reject)
		}
	}
}

func TestGenericReadsAListInsideAndWhatStandsBesideIt(t *testing.T) {
	r, err := NewReader(Format{
		Fields:   map[string]string{"symbol": "meta.sym", "price": "rows[].px", "size": "rows[].q.v", "ts": "rows[].at", "id": "rows[].n", "side": "rows[].maker_buys"},
		TimeUnit: "us", SideOf: "maker",
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Page("", []byte(`{"meta":{"sym":"A"},"rows":[{"px":1.10,"q":{"v":"3"},"at":1700000000000001,"n":"8","maker_buys":true},{"px":"x","q":{"v":1},"at":1,"n":7}]}`))
	if err != nil || len(p.Trades) != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	good, bad := p.Trades[0], p.Trades[1]
	if bad.Reject == core.ReasonNone {
		good, bad = bad, good
	}
	reads(t, good, "A", "1.1", "3", 1700000000000001e3, "8", core.SideSell)
	if bad.Reject != core.ReasonPrice {
		t.Errorf("a bad price: %s", bad.Reject)
	}
}

func TestAnswersThatAreNoneAreRefused(t *testing.T) {
	for _, v := range Venues() {
		if v.Page == "" {
			continue
		}
		for _, body := range []string{
			"", "<html><body>429 Too Many Requests</body></html>", `[{"id":1,"price":"1"`, `{"code":-1121,"msg":"Invalid symbol."}`,
			`{"code":"50011","msg":"Too Many Requests","data":[]}`, `{"retCode":10006,"retMsg":"Too many visits","result":{}}`,
			`{"error":["EGeneral:Too many requests"]}`, `null`, `"text"`, `1`,
		} {
			if p, err := reader(t, v.Name, Options{}).Page("A", []byte(body)); !errors.Is(err, ErrForeign) {
				t.Errorf("%s took %q for an answer: %+v, %v", v.Name, body, p, err)
			}
		}
	}
}

func TestAnswersMayBeginWithAByteOrderMarkAndHaveAnyLineEnds(t *testing.T) {
	const page = `[{"id":8,"price":"1.1","qty":"3","time":1700000000000,"isBuyerMaker":true}]`
	frame := `{"e":"trade","E":1,"s":"A","t":8,"p":"1.1","q":"3","T":1700000000000,"m":true,"M":true}`
	for _, form := range []func(string) string{
		func(s string) string { return "\ufeff" + s },
		func(s string) string { return strings.ReplaceAll(s, ",", ",\r\n\t") + "\r\n" },
		func(s string) string { return "\ufeff\r\n" + strings.ReplaceAll(s, ":", ":\r\n") },
	} {
		p, err := reader(t, "binance", Options{}).Page("A", []byte(form(page)))
		if err != nil || len(p.Trades) != 1 || p.Trades[0].ID.Num != 8 || p.Trades[0].Reject != core.ReasonNone {
			t.Errorf("%q: %+v, %v", form(page), p, err)
		}
		m, err := reader(t, "binance", Options{}).Frame([]byte(form(frame)))
		if err != nil || len(m.Trades) != 1 || m.Trades[0].ID.Num != 8 || m.Trades[0].Reject != core.ReasonNone {
			t.Errorf("%q: %+v, %v", form(frame), m, err)
		}
	}
	for _, two := range []string{"\ufeff\ufeff" + page, "\ufeff", page + "\ufeff"} {
		if p, err := reader(t, "binance", Options{}).Page("A", []byte(two)); !errors.Is(err, ErrForeign) {
			t.Errorf("%q: %+v, %v", two, p, err)
		}
	}
}

func TestHostileElementsAreRefusedWithAReason(t *testing.T) {
	for _, test := range []struct{ preset, element string }{
		{"binance", `{"id":1,"price":"-1","qty":"x","time":1,"isBuyerMaker":true}`},
		{"binance", `{"id":1.5,"price":"1","qty":"1","time":1,"isBuyerMaker":true}`},
		{"binance", `{"id":"abc","price":"1","qty":"1","time":1}`},
		{"binance", `{"price":"1","qty":"1","time":1}`},
		{"binance", `{"id":1,"price":{"a":1},"qty":"1","time":1}`},
		{"binance", `{"id":1,"price":"1","qty":"1","time":"yesterday"}`},
		{"binance", `{"id":1,"price":"1","qty":"1","time":1700000000000.5}`},
		{"binance", `[1,2,3]`}, {"binance", `7`}, {"binance", `null`},
		{"coinbase", `{"trade_id":1,"price":"1","size":"1","side":"buy","time":1700000000000}`},
	} {
		p, err := reader(t, test.preset, Options{}).Page("A", []byte("["+test.element+"]"))
		if err != nil || len(p.Trades) != 1 || p.Trades[0].Reject == core.ReasonNone {
			t.Errorf("%s %s: %+v, %v", test.preset, test.element, p, err)
		}
	}
}

func TestAnswersComeOutOldestFirst(t *testing.T) {
	p, err := reader(t, "okx", Options{}).Page("A-B", []byte(`{"code":"0","data":[{"tradeId":"3","px":"1","sz":"1","side":"buy","ts":"9"},{"tradeId":"2","px":"1","sz":"1","side":"buy","ts":"9"},{"tradeId":"1","px":"1","sz":"1","side":"buy","ts":"9"}]}`))
	if err != nil || len(p.Trades) != 3 || p.Trades[0].ID.Num != 1 || p.Trades[2].ID.Num != 3 {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = reader(t, "bybit", Options{}).Page("AUSDT", []byte(`{"retCode":0,"result":{"list":[{"execId":"b","symbol":"AUSDT","price":"1","size":"1","side":"Buy","time":"2"},{"execId":"a","symbol":"AUSDT","price":"1","size":"1","side":"Buy","time":"1"}]}}`))
	if err != nil || len(p.Trades) != 2 || string(p.Trades[0].ID.Text) != "a" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestRefusedSubscriptionsAreTold(t *testing.T) {
	for preset, frame := range map[string]string{
		"binance":   `{"error":{"code":2,"msg":"Invalid request"},"id":1}`,
		"coinbase":  `{"type":"error","message":"Failed to subscribe","reason":"BTC-XXX is not a valid product"}`,
		"okx":       `{"event":"error","code":"60018","msg":"wrong URL or channel"}`,
		"kraken":    `{"error":"Currency pair not supported X/Y","method":"subscribe","success":false,"symbol":"X/Y"}`,
		"kraken_v1": `{"errorMessage":"Currency pair not supported","event":"subscriptionStatus","pair":"X/Y","status":"error"}`,
		"bybit":     `{"success":false,"ret_msg":"error:handler not found,topic:x","op":"subscribe"}`,
	} {
		m, err := reader(t, preset, Options{}).Frame([]byte(frame))
		if err != nil || m.Kind != KindRefused || m.Text == "" {
			t.Errorf("%s: %+v, %v", preset, m, err)
		}
	}
}

func FuzzFrameNeverPanicsAndTellsWhatItRefuses(f *testing.F) {
	f.Add(0, []byte(binanceSold))
	f.Add(2, []byte(`{"type":"match","trade_id":1}`))
	f.Add(6, []byte(`[1,[["1","2","3.4","b","m",""]],"trade","A/B"]`))
	f.Add(5, []byte(`{"error":[],"result":{"A":[["1","2",3.5,"b","m","",7]],"last":"8"}}`))
	names := VenueNames()
	f.Fuzz(func(t *testing.T, which int, raw []byte) {
		name := names[uint(which)%uint(len(names))]
		r := reader(t, name, Options{})
		check := func(trades []Trade, err error) {
			if err != nil && !errors.Is(err, ErrForeign) {
				t.Fatalf("%s: %v", name, err)
			}
			for _, tr := range trades {
				if tr.Reject != core.ReasonNone {
					continue
				}
				if !core.ValidSymbol(tr.Symbol) || tr.EventNS < 0 || tr.Span < 0 || len(tr.ID.Text) > core.MaxTradeIDText {
					t.Fatalf("%s let through %+v", name, tr)
				}
				if tr.Span > 0 && tr.ID.Kind != core.IDInt {
					t.Fatalf("%s counts ids that are no numbers: %+v", name, tr)
				}
			}
		}
		m, err := r.Frame(raw)
		check(m.Trades, err)
		p, err := r.Page("A", raw)
		check(p.Trades, err)
	})
}

func BenchmarkFrame(b *testing.B) {
	for preset, file := range map[string]string{"binance_agg": "binance_aggtrade.jsonl", "coinbase": "coinbase_matches.jsonl", "okx": "okx_trades.jsonl"} {
		b.Run(preset, func(b *testing.B) {
			all, r := frames(b, file), reader(b, preset, Options{Contracts: true})
			trades := 0
			for i := 0; b.Loop(); i++ {
				m, err := r.Frame(all[i%len(all)])
				if err != nil {
					b.Fatal(err)
				}
				trades += len(m.Trades)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(trades), "ns/trade")
		})
	}
}
