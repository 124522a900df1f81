package feed

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// asks polls a venue that answers every question with the same text; the address
// of one without a format names the symbol.
func asks(t *testing.T, format adapter.Format, symbol, text string) (*live, *log, *counts, *cursor, error) {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	t.Cleanup(site.Close)
	address := site.URL
	if format.Preset == "" {
		address += "/<symbol>"
	}
	return asksAt(t, address, format, symbol)
}

func asksAt(t *testing.T, address string, format adapter.Format, symbol string) (*live, *log, *counts, *cursor, error) {
	t.Helper()
	at := &cursor{lastID: 5, hasID: true}
	l, out, c, err := pullsFrom(t, address, format, symbol, at)
	return l, out, c, at, err
}

// pullsFrom polls a venue once for what is behind a cursor.
func pullsFrom(t *testing.T, address string, format adapter.Format, symbol string, at *cursor) (*live, *log, *counts, error) {
	t.Helper()
	out, c := newLog(t), newCounts()
	f := fetches(t, address, nil)
	l, err := newLive(Live{SourceName: "x", Format: format, Symbols: []string{symbol}, Observer: c, Fetch: f.cfg})
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDelivery(t.Context(), l, out)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPuller(l, f, d)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.pull(t.Context(), t.Context(), symbol, at, 1)
	return l, out, c, err
}

func okxAnswer(symbols ...string) string {
	rows := make([]string, len(symbols))
	for i, s := range symbols {
		rows[i] = `{"instId":"` + s + `","tradeId":"` + strconv.Itoa(5+len(symbols)-i) + `","px":"3000","sz":"1","side":"buy","ts":"1795372127131"}`
	}
	return `{"code":"0","data":[` + strings.Join(rows, ",") + `]}`
}

// An answer about another symbol, of a cache in between for instance, would go to the
// topic as a symbol that nobody has configured.
func TestAnAnswerAboutAnotherSymbolIsRefused(t *testing.T) {
	l, out, c, at, err := asks(t, adapter.Format{Preset: "okx"}, "BTC-USDT", okxAnswer("ETH-USDT"))
	if err == nil || at.lastID != 5 {
		t.Errorf("%v, the cursor is at %d", err, at.lastID)
	}
	if got := out.ids("ETH-USDT"); len(got) != 0 || c.of(c.refused, "symbol") != 1 || l.Report().Refused != 1 || c.of(c.errors, reasonAnswer) != 1 {
		t.Errorf("%v on the topic, refused %v, errors %v, report %+v", got, c.refused, c.errors, l.Report())
	}
}

func TestOfAnAnswerAboutSeveralSymbolsTheOneThatWasAskedForIsTaken(t *testing.T) {
	_, out, c, at, err := asks(t, adapter.Format{Preset: "okx"}, "BTC-USDT", okxAnswer("ETH-USDT", "BTC-USDT"))
	if got := out.ids("BTC-USDT"); err != nil || !slices.Equal(got, []int64{6}) || at.lastID != 6 {
		t.Errorf("%v, %v, the cursor is at %d", got, err, at.lastID)
	}
	if got := out.ids("ETH-USDT"); len(got) != 0 || c.of(c.refused, "symbol") != 1 {
		t.Errorf("%v on the topic, refused %v", got, c.refused)
	}
	// A list of all symbols may have none of one that is quiet.
	_, out, c, _, err = asks(t, adapter.Format{}, "A", listOfB)
	if got := out.ids("B"); err != nil || len(got) != 0 || c.of(c.refused, "symbol") != 1 {
		t.Errorf("%v on the topic, refused %v: %v", got, c.refused, err)
	}
}

const listOfB = `[{"symbol":"B","price":"1","size":"1","ts":1795372127131,"id":7}]`

// An address that names no symbol lists all of them, each time: the others are no
// faults to be counted.
func TestOtherSymbolsOfAListAreNotRefused(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(listOfB)) }))
	t.Cleanup(site.Close)
	l, out, c, _, err := asksAt(t, site.URL+"/all", adapter.Format{}, "A")
	if got := out.ids("B"); err != nil || len(got) != 0 || len(c.refused) != 0 || l.Report().Refused != 0 {
		t.Errorf("%v on the topic, refused %v: %v", got, c.refused, err)
	}
}

// What venues call a pair in their answers is not always what they are asked by.
func TestAnswersThatNameTheirSymbolInTheirOwnWayAreTaken(t *testing.T) {
	for _, test := range []struct{ preset, symbol, key, answer string }{
		{"binance", "BTCUSDT", "BTCUSDT", `[{"id":6,"price":"4.0","qty":"12.0","time":1499865549590,"isBuyerMaker":true}]`},
		{"binance_agg", "BTCUSDT", "BTCUSDT", `[{"a":6,"p":"4.0","q":"12.0","f":1,"l":1,"T":1499865549590,"m":true,"M":true}]`},
		{"coinbase", "BTC-USD", "BTC-USD", `[{"time":"2014-11-07T22:19:28.578544Z","trade_id":6,"price":"10.00","size":"0.01","side":"buy"}]`},
		{"coinbase_advanced", "BTC-USD", "BTC-USD", `{"trades":[{"trade_id":"6","product_id":"BTC-USD","price":"10.00","size":"0.01","time":"2014-11-07T22:19:28.578544Z","side":"BUY"}]}`},
		{"okx", "BTC-USDT", "BTC-USDT", okxAnswer("BTC-USDT")},
		{"okx", "btc-usdt", "btc-usdt", okxAnswer("BTC-USDT")},
		{"kraken", "XBT/USD", "XBT/USD", `{"error":[],"result":{"XXBTZUSD":[["30243.4","0.3","1688669597.8277369","b","m","",6]],"last":"1688671969993150842"}}`},
		{"bybit", "AUSDT", "AUSDT", `{"retCode":0,"result":{"list":[{"execId":"6","symbol":"AUSDT","price":"1","size":"1","side":"Buy","time":"2"}]}}`},
		{"", "A", "A", `[{"price":"1","size":"1","ts":1795372127131,"id":6}]`},
	} {
		_, out, c, _, err := asks(t, adapter.Format{Preset: test.preset}, test.symbol, test.answer)
		if got := out.ids(test.key); err != nil || len(got) != 1 || len(c.refused) != 0 {
			t.Errorf("%s: %v, refused %v: %v", test.preset, got, c.refused, err)
		}
	}
}

// A feed looks for its last trade under the name that it is configured with: under the
// venue's own spelling it would not be found, and what happened until the restart
// would never be asked for.
func TestATradeIsFoundAgainUnderTheNameThatIsConfigured(t *testing.T) {
	l, out, _, _, err := asks(t, adapter.Format{Preset: "okx"}, "btc-usdt", okxAnswer("BTC-USDT"))
	if err != nil {
		t.Fatal(err)
	}
	last, err := l.lookup(t.Context(), out, l.Symbols)
	if err != nil || last["btc-usdt"].ID.Num != 6 {
		t.Errorf("%+v, %v", last, err)
	}
}

// A page of the newest trades that holds the one at which the topic ends leaves nothing
// out, also where ids say nothing about order and this process has seen none of them.
func TestAPageThatReachesBackToTheTopicTellsOfNoGap(t *testing.T) {
	page := func(from int) string {
		var rows []string
		for id := from; id < from+60; id++ {
			rows = append(rows, `{"execId":"`+strconv.Itoa(id)+`","symbol":"AUSDT","price":"1","size":"1","side":"Buy","time":"`+strconv.Itoa(id)+`"}`)
		}
		return `{"retCode":0,"result":{"list":[` + strings.Join(rows, ",") + `]}}`
	}
	for from, gaps := range map[int]int64{941: 0, 1000: 0, 1001: 1} {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page(from))) }))
		t.Cleanup(site.Close)
		at := &cursor{}
		at.seed(LastTrade{ID: core.TradeID{Kind: core.IDInt, Num: 1000}, EventNS: 1000 * nanosPerMilli})
		_, _, c, err := pullsFrom(t, site.URL, adapter.Format{Preset: "bybit"}, "AUSDT", at)
		if got := c.of(c.gaps, gapOutage); err != nil || got != gaps {
			t.Errorf("a page from %d, the topic ends at 1000: %d outages, want %d (%v)", from, got, gaps, err)
		}
	}
}
