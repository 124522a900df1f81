package caddymodule

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// A reader chooses what stands in the src of a module. A chain that is slow says
// nothing about the module at its front, or anybody could take another tenant's out of
// service; one of links of the same module does.
func TestASlowChainStrikesAModuleOnlyWhereAllOfItIsOfThatModule(t *testing.T) {
	d := testDemand(t)
	lent := newAttachments(nil)
	lent.add(&attachment{logger: zap.NewNop()})
	a := newActivation(t.Context(), nil, d, clock.NewFake(time.UnixMilli(1_800_000_000_000)))
	a.faults, a.log = func(string) {}, lent.logger
	a.spawn = func(_ string, task func(ctx context.Context)) { task(t.Context()) }
	d.watch(a.struck)
	names := []string{"my-sum", "other-sum"}
	for _, name := range names {
		m, err := d.load(t.Context(), sumModule(name, "1.0.0", ""), name)
		if err != nil {
			t.Fatal(err)
		}
		d.mean(name, []meant{{module: m}})
	}
	for text, want := range map[string]string{
		"my-sum/running_sum":                                                    "1 0",
		"my-sum/running_sum(src=ema(5))":                                        "0 0",
		"my-sum/running_sum(src=other-sum/running_sum)":                         "0 0",
		"ema(5,src=other-sum/running_sum)":                                      "0 0",
		"my-sum/running_sum(src=my-sum/running_sum)":                            "1 0",
		"my-sum/running_sum(src=my-sum/running_sum(src=other-sum/running_sum))": "0 0",
	} {
		for _, name := range names {
			a.strikes[name] = &strikes{version: mustProgram(t, d, name+"/running_sum").Meta().Version}
		}
		d.Fault(mustProgram(t, d, text), "BTCUSD", "1m", fmt.Errorf("filling: %w", serve.ErrTooSlow))
		if got := fmt.Sprint(len(a.strikes["my-sum"].at), len(a.strikes["other-sum"].at)); got != want {
			t.Errorf("%s: strikes of both modules %s, want %s", text, got, want)
		}
	}
}
