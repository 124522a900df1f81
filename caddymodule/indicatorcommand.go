package caddymodule

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// indicatorCommand is `caddy kline indicator`: from an empty folder to a line
// on the chart. Its children need no running Caddy, except those that say so.
func indicatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "indicator <command>",
		Short: "Makes, builds, checks and tries indicator modules",
		Long: "From an empty folder to a line on the chart: `new` makes a template, `build` compiles and checks it, `test` runs bars through it. The checks of `vet`\n" +
			"are those that an upload has to pass.",
	}
	onlyChildren(cmd)
	cmd.AddCommand(
		newIndicatorCommand(), buildIndicatorCommand(), vetIndicatorCommand(), testIndicatorCommand(), benchIndicatorCommand(),
		pushCommand(), listCommand(), installCommand(), signCommand(), killCommand(), liftCommand(), auditCommand(), examineCommand(),
	)
	return cmd
}

// withArgs runs a command with its flags and arguments, until Ctrl-C.
func withArgs(run func(ctx context.Context, fl caddycmd.Flags, args []string) (int, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return run(ctx, fl, args)
		})(cmd, args)
	}
}

// optional reads a file if it is named.
func optional(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading a file: %w", err)
	}
	return b, nil
}
