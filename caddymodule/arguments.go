package caddymodule

import (
	"fmt"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// one wants exactly one argument and says which.
func one(what string) cobra.PositionalArgs { return wanted(what, 1, 1) }

// some wants at least one argument.
func some(what string) cobra.PositionalArgs { return wanted(what, 1, -1) }

// atMostOne wants one argument or none.
func atMostOne(what string) cobra.PositionalArgs { return wanted(what, 0, 1) }

// oneOrTwo wants one argument or two.
func oneOrTwo(what string) cobra.PositionalArgs { return wanted(what, 1, 2) }

// none wants no argument: cobra would take one for a command that it does not
// know.
func none() cobra.PositionalArgs { return wanted("none", 0, 0) }

func wanted(what string, least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s needs an argument: %s (see %[1]s --help)", cmd.CommandPath(), what)
		case most >= 0 && len(args) > most:
			return fmt.Errorf("%q is one argument too many for %s: it takes %s", cut(args[most]), cmd.CommandPath(), what)
		}
		return nil
	}
}

// instances reads --indicators. The list was split at every comma: what belongs
// between the parentheses of one instance is put together again.
func instances(fl caddycmd.Flags) ([]string, error) {
	parts, err := fl.GetStringSlice("indicators")
	if err != nil {
		return nil, err
	}
	var out []string
	open := 0
	for _, p := range parts {
		if open > 0 {
			out[len(out)-1] += "," + p
		} else {
			out = append(out, strings.TrimSpace(p))
		}
		open += strings.Count(p, "(") - strings.Count(p, ")")
	}
	return out, nil
}
