package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

func testIndicatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test <module.wasm> <bars.csv> --ind <name> [--param <name>=<value>]... [--src <price>] [--golden <file> [--update]] | <module.wasm> --repro <file>",
		Short: "Runs bars through an indicator, compares with a golden file, repeats a fault",
		Long: "Prints the outputs of each bar as CSV; with --golden it compares them bit for bit instead, and with --update writes them. The bars are CSV with a line\n" +
			"of names: open, high, low, close and, if there are, open_time, volume, quote_volume, taker_buy_volume, trades. --repro repeats the update\n" +
			"that went wrong on a node, and succeeds if it goes wrong in the same way. Exit code 1: a difference, or the indicator fails.",
		Args: oneOrTwo("the module, a .wasm file, and a file of bars"),
		RunE: withArgs(runTestIndicator),
	}
	cmd.Flags().String("ind", "", "The indicator, by name or as an expression such as sma(20)")
	cmd.Flags().StringArray("param", nil, "A parameter, as period=20; several are allowed")
	cmd.Flags().String("src", "", "The price that the indicator reads: close, open, high, low, hl2, hlc3, ohlc4, hlcc4, volume, quote_volume")
	cmd.Flags().String("golden", "", "The golden file to compare with")
	cmd.Flags().Bool("update", false, "Write the part of this indicator in the golden file")
	cmd.Flags().String("repro", "", "A stored fault to repeat")
	return cmd
}

func runTestIndicator(ctx context.Context, fl caddycmd.Flags, args []string) (int, error) {
	module, err := readModule(args[0])
	if err != nil {
		return 1, err
	}
	if file := fl.String("repro"); file != "" {
		return repeatFault(ctx, module, file)
	}
	if len(args) < 2 {
		return 1, errors.New("a file of bars is missing: indicator test <module.wasm> <bars.csv> --ind <name>")
	}
	if fl.Bool("update") && fl.String("golden") == "" {
		return 1, errors.New("--golden is missing: --update writes the golden file that it names")
	}
	expr, err := testExpression(ctx, fl, module)
	if err != nil {
		return 1, err
	}
	bars, err := readBars(args[1])
	if err != nil {
		return 1, err
	}
	values, err := vet.Compute(ctx, module, expr, bars, vet.Options{})
	if err != nil {
		return 1, err
	}
	if golden := fl.String("golden"); golden != "" {
		err = testGolden(golden, fl.Bool("update"), values, bars)
	} else {
		err = printValues(commandOutput(), values, bars)
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// testExpression puts the flags together.
func testExpression(ctx context.Context, fl caddycmd.Flags, module []byte) (string, error) {
	ind := fl.String("ind")
	params, err := fl.GetStringArray("param")
	if err != nil {
		return "", err
	}
	if src := fl.String("src"); src != "" {
		params = append(params, "src="+src)
	}
	switch {
	case ind == "":
		_, list, err := vet.Expressions(ctx, module, vet.Options{})
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("--ind is missing: the module has %s", strings.Join(list, ", "))
	case len(params) == 0:
		return ind, nil
	case strings.Contains(ind, "("):
		return "", fmt.Errorf("--ind %s has parameters already: give all of them there, or all by --param", cut(ind))
	}
	return ind + "(" + strings.Join(params, ",") + ")", nil
}

func readBars(file string) ([]wasmhost.Bar, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading bars: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	bars, err := vet.ReadBars(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return bars, nil
}

// testGolden compares with a golden file, or writes the part of it.
func testGolden(file string, update bool, values *vet.Values, bars []wasmhost.Bar) error {
	old, err := os.ReadFile(file)
	if err != nil && (!update || !errors.Is(err, fs.ErrNotExist)) {
		return fmt.Errorf("reading the golden file: %w", err)
	}
	out := commandOutput()
	if !update {
		if err := vet.CompareGolden(old, values, bars); err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d bars are equal\n", values.Name, len(bars))
		return nil
	}
	golden, err := vet.UpdateGolden(old, values, bars)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, golden, 0o644); err != nil {
		return fmt.Errorf("writing the golden file: %w", err)
	}
	fmt.Fprintf(out, "%s: %d bars are written to %s\n", values.Name, len(bars), file)
	return nil
}

// printValues prints a line per bar; an empty cell is no value.
func printValues(w io.Writer, values *vet.Values, bars []wasmhost.Bar) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "open_time,close,%s\n", strings.Join(values.Outputs, ","))
	for i, row := range values.Rows {
		cells := []string{strconv.FormatInt(bars[i].OpenTime, 10), strconv.FormatFloat(bars[i].Close, 'f', -1, 64)}
		for _, v := range row {
			text := ""
			if !math.IsNaN(v) {
				text = strconv.FormatFloat(v, 'f', -1, 64)
			}
			cells = append(cells, text)
		}
		fmt.Fprintln(out, strings.Join(cells, ","))
	}
	return out.Flush()
}

// repeatFault does the update of a stored fault again.
func repeatFault(ctx context.Context, module []byte, file string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 1, fmt.Errorf("reading a repro: %w", err)
	}
	repro, err := vet.DecodeRepro(b)
	if err != nil {
		return 1, err
	}
	got, err := vet.Replay(ctx, module, repro, vet.Options{})
	if err != nil {
		return 1, err
	}
	out, name, stored := commandOutput(), plain(repro.Expression), plain(repro.Fault+": "+repro.Text)
	switch {
	case got.Same(repro):
		fmt.Fprintf(out, "%s fails as on the node: %s: %s\n", name, got.Fault, plain(got.Text))
		return 0, nil
	case got.Fault != "":
		return 1, fmt.Errorf("%s fails otherwise than on the node: %s: %s; there it was %s", name, got.Fault, plain(got.Text), stored)
	}
	return 1, fmt.Errorf("%s does not fail here, it gives %v; on the node it was %s", name, got.Outputs, stored)
}
