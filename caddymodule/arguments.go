package caddymodule

import (
	"fmt"

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
