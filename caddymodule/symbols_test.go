package caddymodule

import (
	"strings"
	"testing"
)

// Of two rules of one pattern the second counted nowhere, without a word.
func TestRulesOfJSONAreRefusedAsThoseOfTheCaddyfile(t *testing.T) {
	places := 19
	for want, rules := range map[string][]SymbolRule{
		`"BTC*" is there twice`:                                  {{Pattern: "BTC*", Order: "seq"}, {Pattern: "ETH"}, {Pattern: "BTC*", Order: "arrival"}},
		`unknown prices "negative" (allowed: positive, any)`:     {{Pattern: "A", Prices: "negative"}},
		`unknown order "time" (allowed: trade_id, seq, arrival)`: {{Pattern: "A", Order: "time"}},
		`scale 19 of "A" is not in 0 to 18`:                      {{Pattern: "A", PriceScale: &places}},
	} {
		if _, err := (&App{Symbols: rules}).symbolRules(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A feed of that name was taken for a user of kline_ingest.
func TestFeedsOfJSONHaveNamesOfTheirOwn(t *testing.T) {
	for _, name := range []string{"ingest/ann", "a\x1b[2J", strings.Repeat("a", 65)} {
		if err := (&ReplayFeed{Source: name}).check(); err == nil || !strings.Contains(err.Error(), "checking source_name") {
			t.Errorf("feed replay, %q: %v", name, err)
		}
		if err := (&LiveFeed{Source: name}).provision(); err == nil || !strings.Contains(err.Error(), "checking source_name") {
			t.Errorf("a feed of a venue, %q: %v", name, err)
		}
	}
	if err := checkSource("binance-2_b." + strings.Repeat("a", 52)); err != nil {
		t.Error(err)
	}
}
