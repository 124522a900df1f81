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
