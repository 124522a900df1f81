package caddymodule

import "github.com/spf13/cobra"

// indicatorCommand is `caddy kline indicator`: from an empty folder to a line
// on the chart. Its children need no running Caddy, except those that say so.
func indicatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "indicator <command>",
		Short: "Makes, builds, checks and tries indicator modules",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(pushCommand(), listCommand(), installCommand())
	return cmd
}
