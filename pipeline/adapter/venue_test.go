package adapter

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestPageURLAsksBehindTheLastTrade(t *testing.T) {
	for _, test := range []struct {
		preset, base string
		ask          Ask
		want         string
	}{
		{"binance", "https://h/", Ask{Symbol: "BTCUSDT"}, "https://h/api/v3/historicalTrades?symbol=BTCUSDT&limit=1000"},
		{"binance_agg", "https://h", Ask{Symbol: "BTCUSDT", LastID: 7, HasID: true}, "https://h/api/v3/aggTrades?symbol=BTCUSDT&limit=1000&fromId=8"},
		{"coinbase", "https://h", Ask{Symbol: "BTC-USD", LastID: 7, HasID: true}, "https://h/products/BTC-USD/trades?limit=1000&after=1008"},
		{"okx", "https://h", Ask{Symbol: "BTC-USDT", LastID: 7, HasID: true}, "https://h/api/v5/market/history-trades?instId=BTC-USDT&limit=100&type=1&after=108"},
		{"kraken", "https://h", Ask{Symbol: "XBT/USD", Since: 1700000000000000001}, "https://h/0/public/Trades?pair=XBT%2FUSD&count=1000&since=1700000000000000001"},
		{"bybit", "https://h", Ask{Symbol: "A", LastID: 7, HasID: true}, "https://h/v5/market/recent-trade?category=spot&symbol=A&limit=60"},
		{"generic", "https://h/t?s=<symbol>&from=<id>&after=<last>&ms=<since_ms>", Ask{Symbol: "A&b=1", LastID: 7, HasID: true, Since: 1700000000000000001}, "https://h/t?s=A%26b%3D1&from=8&after=7&ms=1700000000000"},
	} {
		v, err := FindVenue(test.preset)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.PageURL(test.base, test.ask); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.preset, got, test.want)
		}
	}
}

func TestSubscriptionsAreJSONAndNameEverySymbolOnce(t *testing.T) {
	var symbols []string
	for i := range 120 {
		symbols = append(symbols, "S"+strings.Repeat("x", i%5)+string(rune('A'+i%26))+string(rune('A'+i/26)))
	}
	for _, v := range Venues() {
		all := ""
		for _, m := range v.Subscribe(symbols) {
			if !json.Valid([]byte(m)) {
				t.Errorf("%s: %s", v.Name, m)
			}
			all += strings.ToLower(m)
		}
		for _, s := range symbols {
			n := strings.Count(all, strings.ToLower(s)+`"`) + strings.Count(all, strings.ToLower(s)+"@")
			if n < 1 {
				t.Errorf("%s: %s is not subscribed", v.Name, s)
			}
		}
	}
}

// Bybit answers `args size >10` to a message that subscribes to more of spot, and takes
// none of it.
func TestASubscriptionOfBybitHasTenSymbolsAtMost(t *testing.T) {
	symbols := make([]string, 95)
	for i := range symbols {
		symbols[i] = "S" + strconv.Itoa(i)
	}
	for _, name := range []string{"bybit", "bybit_v2", "bybit_v3"} {
		v, err := FindVenue(name)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, m := range v.Subscribe(symbols) {
			var sent struct{ Args []string }
			if err := json.Unmarshal([]byte(m), &sent); err != nil || len(sent.Args) > 10 {
				t.Errorf("%s: %d symbols in one message, %v", name, len(sent.Args), err)
			}
			n += len(sent.Args)
		}
		if n != len(symbols) {
			t.Errorf("%s: %d symbols are subscribed", name, n)
		}
	}
}

func TestPresetsTakeNoBlockAndNamesAreListed(t *testing.T) {
	if _, err := NewReader(Format{Preset: "okx", TimeUnit: "s"}, Options{}); err == nil || !strings.Contains(err.Error(), "only generic takes a block") {
		t.Errorf("%v", err)
	}
	if _, err := NewReader(Format{Preset: "okex"}, Options{}); err == nil || !strings.Contains(err.Error(), "allowed: binance, binance_agg, coinbase") {
		t.Errorf("%v", err)
	}
}
