package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

func vetIndicatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "vet <module.wasm> [--json] [--soak] [--golden <file>] [--previous <module.wasm>]",
		Aliases: []string{"validate"},
		Short:   "Checks a module as an upload does",
		Long: "Tries everything that a node does to an indicator: moves and restores its state, interleaves series, previews, batches, replaces instances, sends legal\n" +
			"and seldom bars. Exit code 1 if there is an error; warnings do not refuse a module. docs/findings.md explains every code.",
		Args: one("the module, a .wasm file"),
		RunE: withArgs(runVetIndicator),
	}
	cmd.Flags().Bool("json", false, "Print the report as JSON")
	cmd.Flags().Bool("soak", false, "Run a million bars through every indicator as well")
	cmd.Flags().String("golden", "", "A golden file to compare with")
	cmd.Flags().String("previous", "", "The module before this one, whose states it has to understand")
	cmd.Flags().Bool("builtin", false, "Use the limits of modules that the program brings")
	return cmd
}

// vetFlags are what a vet was asked for.
type vetFlags struct {
	asJSON, soak, builtin bool
	golden, previous      []byte
}

func runVetIndicator(ctx context.Context, fl caddycmd.Flags, args []string) (int, error) {
	golden, err := optional(fl.String("golden"))
	if err != nil {
		return 1, err
	}
	previous, err := optional(fl.String("previous"))
	if err != nil {
		return 1, err
	}
	return vetFile(ctx, args[0], vetFlags{fl.Bool("json"), fl.Bool("soak"), fl.Bool("builtin"), golden, previous})
}

// vetFile vets a module and prints the report.
func vetFile(ctx context.Context, file string, f vetFlags) (int, error) {
	module, err := readModule(file)
	if err != nil {
		return 1, err
	}
	r, err := vet.Run(ctx, module, vet.Options{
		Builtin: f.builtin, Golden: f.golden, Previous: f.previous, Soak: f.soak, Now: clock.Real().Now,
	})
	if err != nil {
		return 1, err
	}
	out := commandOutput()
	if f.asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = printVet(out, file, r)
	}
	if err != nil {
		return 1, fmt.Errorf("printing the report: %w", err)
	}
	if !r.OK() {
		return 1, fmt.Errorf("%s is refused: correct the errors above and vet again", file)
	}
	return 0, nil
}

// printVet is a report for people.
func printVet(w io.Writer, file string, r *vet.Report) error {
	fmt.Fprintf(w, "%s: %d bytes, sha256 %s\n", file, r.Bytes, r.SHA256)
	if r.Name != "" {
		fmt.Fprintf(w, "module %s %s: compiled in %.1f ms, starts in %.2f ms with %d KiB\n", r.Name, r.Version, r.CompileMS, r.InstantiateMS, r.MemoryBytes>>10)
	}
	if err := printFigures(w, r.Indicators); err != nil {
		return err
	}
	for _, f := range r.Findings {
		fmt.Fprintln(w, plain(f.String()))
	}
	if r.OK() {
		fmt.Fprintf(w, "accepted, %d warnings\n", len(r.Findings))
	}
	return nil
}

// printFigures is the table of what indicators cost.
func printFigures(w io.Writer, list []vet.IndicatorReport) error {
	if len(list) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "indicator\tstate bytes\tat most\twarm-up\tfuel a bar\tat most\tns single\tns batch\tns backfill")
	for _, i := range list {
		warmup := fmt.Sprint(i.Warmup)
		if i.Warmup >= wasmhost.Forever {
			warmup = "for ever"
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%s\t%d\t%d\t%.0f\t%.0f\t%.0f\n", i.Name, i.StateBytes, i.StateBytesMax, warmup, i.FuelMean, i.FuelMax, i.NSSingle, i.NSBatch, i.NSBackfill)
	}
	return tw.Flush()
}
