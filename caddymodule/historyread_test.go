package caddymodule

import (
	"fmt"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// Readers follow the config: PostgreSQL first, ClickHouse next, only where klines
// are kept; one that did not change keeps its sessions.
func TestReadersFollowTheCurrentConfig(t *testing.T) {
	useFakePool(t, clock.Real())
	names := func(e *engine) string {
		var list []string
		for _, r := range e.readers {
			list = append(list, r.Name())
		}
		return fmt.Sprint(list)
	}
	ch := `{"history":"clickhouse","address":"c"}`
	first := mustProvision(t, withHistories(ch+`,{"history":"line","address":"l"},{"history":"postgres","address":"p"},{"history":"postgres","address":"t","sink_name":"raw","tables":["trades"]}`))
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	if first.engine.hub() == nil {
		t.Fatal("the fake engine has no hub: nothing is tested")
	}
	if got := names(first.engine); got != "[postgres clickhouse]" {
		t.Errorf("readers %s", got)
	}
	kept := first.engine.readers[1]
	second := mustProvision(t, withHistories(`{"history":"postgres","address":"q","sink_name":"archive"},`+ch))
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if got := names(second.engine); got != "[archive clickhouse]" || second.engine.readers[1] != kept {
		t.Errorf("readers after a reload %s", got)
	}
	cleanup(t, first)
	cleanup(t, second)
	if got := names(second.engine); got != "[]" {
		t.Errorf("readers after the end %s", got)
	}
}

// A 503 of the history says when to come back.
func TestAProblemOfTheHistorySaysWhenToComeBack(t *testing.T) {
	if p := fromServe(&serve.Problem{Status: 503, Code: serve.CodeHistoryAway, RetryAfter: 2}); p.retryAfter != 2 || p.status != 503 || p.title != "History unavailable" {
		t.Errorf("got %+v", p)
	}
}
