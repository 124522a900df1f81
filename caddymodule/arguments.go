package caddymodule

import (
	"fmt"

	"github.com/spf13/cobra"
)

// one wants exactly one argument and says which.
func one(what string) cobra.PositionalArgs { return wanted(what, 1) }

// some wants at least one argument.
func some(what string) cobra.PositionalArgs { return wanted(what, -1) }

func wanted(what string, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s needs an argument: %s (see %[1]s --help)", cmd.CommandPath(), what)
		case most > 0 && len(args) > most:
			return fmt.Errorf("%q is one argument too many for %s: it takes %s", cut(args[most]), cmd.CommandPath(), what)
		}
		return nil
	}
}
