package caddymodule

import (
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-kline/caddy-kline/pipeline/transfer"
)

func TestImportRefusesFlagsThatMeanNothing(t *testing.T) {
	for flag, value := range map[string]string{"max-bad": "-1", "rate": "-0.5", "delimiter": "ab"} {
		c := importTradesCommand()
		if err := c.Flags().Set(flag, value); err != nil {
			t.Fatal(err)
		}
		r := &importRun{fl: caddycmd.Flags{FlagSet: c.Flags()}, kind: transfer.Trades}
		if _, err := r.configure(); err == nil || !strings.Contains(err.Error(), "--"+flag) {
			t.Errorf("--%s %s: %v", flag, value, err)
		}
	}
}
