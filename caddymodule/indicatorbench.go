package caddymodule

import (
	"context"
	"fmt"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// benchTime bounds a measurement: somebody waits for it in front of a terminal,
// perhaps on a busy machine, and no node does.
const benchTime = 2 * time.Minute

func benchIndicatorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "bench <module.wasm>",
		Short: "Measures the indicators of a module",
		Long: "Prints fuel and nanoseconds of one bar: alone, in a batch of many series, and in a backfill; with the built-in sma(20) measured in the same run, as a\n" +
			"yardstick. Times are those of this machine, fuel is the same everywhere.",
		Args: one("the module, a .wasm file"),
		RunE: withArgs(runBenchIndicator),
	}
}

func runBenchIndicator(ctx context.Context, _ caddycmd.Flags, args []string) (int, error) {
	module, err := readModule(args[0])
	if err != nil {
		return 1, err
	}
	r, err := vet.Bench(ctx, module, "", vet.Options{Now: clock.Real().Now, Timeout: benchTime})
	if err != nil {
		return 1, err
	}
	yardstick, err := vet.Bench(ctx, indicators.Module(), "sma", vet.Options{Builtin: true, Now: clock.Real().Now, Timeout: benchTime})
	if err != nil {
		return 1, err
	}
	for _, i := range yardstick.Indicators {
		i.Name = "built-in " + i.Name
		r.Indicators = append(r.Indicators, i)
	}
	out := commandOutput()
	fmt.Fprintf(out, "module %s %s: %d bytes, compiled in %.1f ms, starts in %.2f ms with %d KiB\n", r.Name, r.Version, r.Bytes, r.CompileMS, r.InstantiateMS, r.MemoryBytes>>10)
	return 0, printFigures(out, r.Indicators)
}
