package caddymodule

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestCommandsSayWhichArgumentIsMissing(t *testing.T) {
	for args, want := range map[string]string{
		"export":                        "kline export needs an argument: klines or trades",
		"export klines trades":          `"trades" is one argument too many for kline export: it takes klines or trades`,
		"import trades":                 "kline import trades needs an argument: the files to import",
		"indicator vet":                 "kline indicator vet needs an argument: the module, a .wasm file",
		"indicator bench a.wasm b.wasm": `"b.wasm" is one argument too many`,
		"indicator new":                 "needs an argument: the name of the module",
	} {
		cmd := &cobra.Command{Use: "kline", SilenceUsage: true, SilenceErrors: true}
		command().CobraFunc(cmd)
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
