package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/wasmhost/sdk"
)

func newIndicatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new <name> [--lang go|rust|c|as]",
		Short: "Makes a folder with indicators that build",
		Long: "Makes the folder <name> with four indicators to change, a manifest, a golden file, bars to try them on and a README. The name is that of the\n" +
			"module: its indicators are asked for as <name>/sma(20).",
		Args: one("the name of the module, which becomes the folder"),
		RunE: withArgs(runNewIndicator),
	}
	cmd.Flags().String("lang", "go", "Language: go, rust, c or as (AssemblyScript)")
	return cmd
}

func runNewIndicator(_ context.Context, fl caddycmd.Flags, args []string) (int, error) {
	lang, err := sdk.Find(fl.String("lang"))
	if err != nil {
		return 1, err
	}
	dir := args[0]
	name := filepath.Base(filepath.Clean(dir))
	if name == builtinModule { // it would be refused when it is uploaded
		return 1, fmt.Errorf("making a template: the name %q belongs to the program itself: choose another one", name)
	}
	if err := lang.Write(dir, name); err != nil {
		return 1, fmt.Errorf("making a template: %w", err)
	}
	out := commandOutput()
	fmt.Fprintf(out, "made %s: four indicators in %s; README.md says what is what. Next:\n  cd %s\n", dir, lang.Title, dir)
	if lang.Name == "as" {
		fmt.Fprintln(out, "  npm install")
	}
	fmt.Fprintln(out, "  caddy kline indicator build")
	return 0, nil
}

func buildIndicatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build [<folder>] [-o <file>] [--no-vet]",
		Short: "Compiles a folder with the toolchain of its language, and vets the module",
		Long: "Runs the compiler of the language that the folder is in, then all checks of `vet`, with golden.csv if the folder has one. The commands are printed,\n" +
			"so that they can be run by hand. Exit code 1: it does not compile, a tool is missing, or the module has errors.",
		Args: atMostOne("the folder with the sources"),
		RunE: withArgs(runBuildIndicator),
	}
	cmd.Flags().StringP("output", "o", "", "The module to write. Default: the folder's name with .wasm, in the folder")
	cmd.Flags().Bool("no-vet", false, "Compile only")
	return cmd
}

func runBuildIndicator(ctx context.Context, fl caddycmd.Flags, args []string) (int, error) {
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	lang, err := sdk.Detect(dir)
	if err != nil {
		return 1, fmt.Errorf("building: %w", err)
	}
	file := fl.String("output")
	if file == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return 1, fmt.Errorf("building: %w", err)
		}
		file = filepath.Join(dir, filepath.Base(abs)+".wasm")
	}
	out := commandOutput()
	if err := lang.Build(ctx, dir, file, func(line string) { fmt.Fprintln(out, line) }); err != nil {
		return 1, fmt.Errorf("building: %w", err)
	}
	if fl.Bool("no-vet") {
		return 0, nil
	}
	golden, err := os.ReadFile(filepath.Join(dir, "golden.csv"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 1, fmt.Errorf("reading the golden file: %w", err)
	}
	return vetFile(ctx, file, vetFlags{golden: golden})
}
