package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

// maxStatus bounds the answer that the command reads, in bytes.
const maxStatus = 4 << 20

// command is `caddy kline` with its children.
func command() caddycmd.Command {
	return caddycmd.Command{
		Name:  "kline",
		Usage: "<command>",
		Short: "Status, proof and replay of klines",
		Long:  "Asks a running Caddy what its kline engine does, proves that what it published follows from the trades, and replays trades.",
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(statusCommand(), verifyCommand(), replayCommand(), indicatorCommand(), importCommand(), exportCommand())
			onlyChildren(cmd)
		},
	}
}

// onlyChildren makes a command that does nothing itself fail on a word that is
// none of its children: cobra would print the help and say that all went well.
func onlyChildren(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		return fmt.Errorf("%q is no command of %q (there are: %s)", cut(args[0]), cmd.CommandPath(), strings.Join(names, ", "))
	}
}

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--json] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Prints partitions, lag, feeds and what is degraded",
		Args:  none(),
		RunE:  caddycmd.WrapCommandFuncForCobra(runStatus),
	}
	cmd.Flags().Bool("json", false, "Print the answer of the admin endpoint as it is")
	cmd.Flags().String("address", "", "The address of the admin endpoint, if it is not the default")
	cmd.Flags().StringP("config", "c", "", "Configuration file in which the address is found")
	cmd.Flags().StringP("adapter", "a", "", "Name of the adapter of that file, if it is not JSON")
	return cmd
}

// runStatus exits with 0 whether or not the engine is ready: the question was
// answered.
func runStatus(fl caddycmd.Flags) (int, error) {
	body, err := askAdmin(fl, "/kline/status", maxStatus)
	if err != nil {
		return 1, err
	}
	if err := printStatus(fl.Bool("json"), body, commandOutput()); err != nil {
		return 1, err
	}
	return 0, nil
}

// unanswered says what to do when there is no status. The error of the request
// is text only: Caddy has formatted what was behind it.
func unanswered(addr string, err error) error {
	if strings.Contains(err.Error(), "HTTP 404") {
		return fmt.Errorf("the Caddy at %s has no kline configured: name another admin endpoint with --address, or the Caddyfile of the one you mean with --config", addr)
	}
	return fmt.Errorf("no Caddy answers at the admin endpoint %s: start it, or name another endpoint with --address, or its Caddyfile with --config: %w", addr, err)
}

// printStatus writes the status as it came, or for people.
func printStatus(asJSON bool, body []byte, w io.Writer) error {
	if asJSON {
		_, err := w.Write(append(bytes.TrimSpace(body), '\n'))
		return err
	}
	var s statusBody
	if err := json.Unmarshal(body, &s); err != nil {
		return fmt.Errorf("reading the status: %w", err)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(tw, "%s\t%s\n", name, plain(fmt.Sprint(value))) }
	row("ready", s.Ready)
	for _, r := range s.Reasons {
		row("", r)
	}
	row("version", s.Version)
	row("node", s.Node)
	row("delivery", s.Delivery)
	row("store", s.Store)
	if s.Broker != "" {
		row("broker", s.Broker)
	}
	row("position", s.Position)
	row("watermark", moment(s.Watermark))
	row("streams", s.Streams)
	if len(s.Degraded) > 0 {
		row("degraded", strings.Join(s.Degraded, ", "))
	}
	fmt.Fprintln(tw, "\npartition\tstate\tnext\tlag\tsymbols\terror")
	for _, p := range s.Partitions {
		fmt.Fprintf(tw, "%d\t%s\t%d\t%d\t%d\t%s\n", p.Partition, p.State, p.Next, p.Lag, p.Symbols, plain(p.Error))
	}
	printSources(tw, s.Partitions)
	if len(s.Feeds) > 0 {
		fmt.Fprintln(tw, "\nfeed\tstate\ttrades\terror")
	}
	for _, f := range s.Feeds {
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\n", plain(f.Source), f.State, f.Trades, plain(f.Error))
	}
	return tw.Flush()
}

// printSources lists how far each source is read.
func printSources(w io.Writer, partitions []pipeline.PartitionStatus) {
	head := "\nsource\tpartition\tstate\twatermark\n"
	for _, p := range partitions {
		for _, s := range p.Sources {
			fmt.Fprintf(w, "%s%s\t%d\t%s\t%s\n", head, plain(s.Source), p.Partition, s.State, moment(s.Watermark))
			head = ""
		}
	}
}

// moment writes a time in ms for people; 0 is none.
func moment(ms int64) string {
	if ms == 0 {
		return "none yet"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}
