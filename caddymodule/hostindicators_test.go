package caddymodule

import (
	"crypto/sha256"
	"net/url"
	"testing"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// A request may write an instance as the operator did, with its parameters
// named, or without those that have their default.
func TestRequestsNameInstancesInEveryForm(t *testing.T) {
	host, err := wasmhost.New(t.Context(), wasmhost.Config{Shards: 1, CacheDir: compiledDir()}, sha256.Sum256(indicators.Module()))
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	h, err := newHostIndicators(t.Context(), host, indicators.Module(), []string{"macd", "sma(10)", "bbands(20,2,ma=ema)", "vwap", "obv", "rsi(14,src=hl2)"})
	if err != nil {
		t.Fatal(err)
	}
	hub := serve.NewHub(serve.HubConfig{Partitions: 1, Intervals: []string{"1m"}, Instances: h.Instances()})
	for ask, want := range map[string]bool{
		"macd": true, "macd()": true, "macd(12)": true, "macd(slow=26)": true, "macd(12,26,9)": true, "macd(13)": false,
		"sma": false, "sma(10)": true, "sma(period=10)": true, "sma(10,src=close)": true, "sma(10,src=open)": false,
		"bbands(ma=ema)": true, "bbands": false, "bbands(20,2)": false, "vwap": true, "obv": true, "obv()": true, "rsi(src=hl2)": true, "rsi": false,
	} {
		q := url.Values{"sym": {"A"}, "itv": {"1m"}, "ind": {ask}}
		if _, problem := hub.ParseValues(t.Context(), q, 100); (problem == nil) != want {
			t.Errorf("%s is found: %v, want %v", ask, !want, want)
		}
	}
}
