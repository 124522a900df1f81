package caddymodule

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
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
		"indicator test":                "needs an argument: the module, a .wasm file, and a file of bars",
		"indicator test a b c":          `"c" is one argument too many`,
		"indicator build a b":           `"b" is one argument too many for kline indicator build: it takes the folder`,
		"indicator sign a b":            `"b" is one argument too many`,
		"indicator list a":              `"a" is one argument too many for kline indicator list: it takes none`,
		"replay a b":                    `"b" is one argument too many`,
	} {
		cmd := &cobra.Command{Use: "kline", SilenceUsage: true, SilenceErrors: true}
		command().CobraFunc(cmd)
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// The first word in backquotes of a flag's help would stand for its value.
func TestHelpNamesTheValuesOfFlags(t *testing.T) {
	words := regexp.MustCompile(`--\S+ \S+ \S.*`)
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if line := words.FindString(c.Flags().FlagUsages()); line != "" {
			t.Errorf("%s: %s", c.CommandPath(), line)
		}
		for _, child := range c.Commands() {
			look(child)
		}
	}
	cmd := &cobra.Command{Use: "kline"}
	command().CobraFunc(cmd)
	look(cmd)
}

// A list of flags is split at commas, also at those between the parameters.
func TestInstancesKeepTheirParameters(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"none":                          {"none"},
		"macd(12,26,9)":                 {"macd(12,26,9)"},
		"sma(3), macd(12, 26,9),ema(5)": {"sma(3)", "macd(12, 26,9)", "ema(5)"},
		"rsi(14,src=bbands(20,2)),sma":  {"rsi(14,src=bbands(20,2))", "sma"},
		`"macd(12,26,9)",sma`:           {"macd(12,26,9)", "sma"},
		"sma(3,ema(5)":                  {"sma(3,ema(5)"},
	} {
		cmd := new(cobra.Command)
		cmd.Flags().StringSlice("indicators", nil, "")
		if text != "" {
			if err := cmd.Flags().Set("indicators", text); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := instances(caddycmd.Flags{FlagSet: cmd.Flags()}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}
