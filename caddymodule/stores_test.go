package caddymodule

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

// noLoans lends nothing.
type noLoans struct{}

func (noLoans) loan(string) *loan { return new(loan) }

func TestRedisStoreTellsThePipelineWhereRedisIs(t *testing.T) {
	t.Setenv("KLINE_TEST_SENTINELS", "s2:7000, s1")
	t.Setenv("KLINE_TEST_MASTER", "kl")
	for name, tc := range map[string]struct {
		store RedisStore
		want  pipeline.RedisStore
	}{
		"address":  {RedisStore{Address: "r"}, pipeline.RedisStore{Addr: "r:6379"}},
		"sentinel": {RedisStore{Sentinel: &RedisSentinel{Master: "{env.KLINE_TEST_MASTER}", Addresses: []string{"{env.KLINE_TEST_SENTINELS}", "s1:26379"}}}, pipeline.RedisStore{Master: "kl", Sentinels: []string{"s1:26379", "s2:7000"}}},
		"cluster":  {RedisStore{Cluster: []string{"c2:7001", "c1"}}, pipeline.RedisStore{Cluster: []string{"c1:6379", "c2:7001"}}},
	} {
		if err := tc.store.Provision(caddy.Context{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var cfg pipeline.Config
		if err := tc.store.BuildStore(&cfg, noLoans{}); err != nil {
			t.Fatal(err)
		}
		cfg.Redis.Credentials = nil
		if !reflect.DeepEqual(*cfg.Redis, tc.want) {
			t.Errorf("%s: got %+v, want %+v", name, *cfg.Redis, tc.want)
		}
	}
}

func TestRedisStoreIsInOnePlace(t *testing.T) {
	t.Setenv("KLINE_TEST_EMPTY", "")
	sentinel := &RedisSentinel{Master: "kl", Addresses: []string{"s"}}
	for want, store := range map[string]RedisStore{
		"no address: add one of":                {},
		"both address and cluster":              {Address: "a", Cluster: []string{"b"}},
		"both sentinel and cluster":             {Sentinel: sentinel, Cluster: []string{"b"}},
		"expanding address":                     {Address: "{env.KLINE_TEST_EMPTY}"},
		"expanding cluster":                     {Cluster: []string{"{env.KLINE_TEST_EMPTY}"}},
		"checking cluster: no address":          {Cluster: []string{","}},
		"checking sentinel: no address":         {Sentinel: &RedisSentinel{Master: "kl"}},
		"checking sentinel: no name":            {Sentinel: &RedisSentinel{Addresses: []string{"s"}}},
		`checking cluster: port of "b:x"`:       {Cluster: []string{"a", "b:x"}},
		`checking sentinel: ":1" names no host`: {Sentinel: &RedisSentinel{Master: "kl", Addresses: []string{":1"}}},
	} {
		if err := store.Provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error that says %q", store, err, want)
		}
	}
}
