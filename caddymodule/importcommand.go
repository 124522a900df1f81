package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/transfer"
)

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Brings files of trades into the topic, or of bars into a history",
		Long: "Reads CSV, JSON lines or one JSON array, plain, gzip or zip, in constant memory. What is done stands in a small file beside each imported one\n" +
			"(" + transfer.StateSuffix + "), written after the acknowledgement: an import that was interrupted or killed goes on where it was when it is run again.",
	}
	onlyChildren(cmd)
	cmd.AddCommand(importTradesCommand(), importBarsCommand())
	return cmd
}

func importTradesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trades <file>... [--config <path> [--adapter <name>]] [--venue <name> | --columns <list>] [--symbol <name>]",
		Short: "Brings files of trades into the topic of trades",
		Long: "Writes the trades of the files, in their order, into the topic of the configuration, as a feed does: keyed by symbol, idempotent, acknowledged by all\n" +
			"in-sync replicas. A node may be running or not; where the embedded broker does not run, the command opens its log itself.\n" +
			"Trades without an id get one made of file and row. Exit code 0: all is done. 1: a row stopped it. 2: it could not be imported, or not to the end.",
		Args: some("the files to import"),
		RunE: withArgs(func(ctx context.Context, fl caddycmd.Flags, files []string) (int, error) {
			return runImport(ctx, fl, files, transfer.Trades)
		}),
	}
	importFlags(cmd, transfer.Trades)
	cmd.Flags().String("source", "import", "Name of the feed in the records. A symbol stays with the feed of its first trade: name the source_name of the feed that goes on from here")
	cmd.Flags().Bool("allow-late", false, "Import trades although the symbol has newer ones; the engine puts those that are too late into the topic late")
	cmd.Flags().String("complete-until", "", "Promise at the end that the source has nothing older than this time (RFC 3339): bars that end before it close")
	cmd.Flags().Bool("contracts", false, "Take the sizes of a venue's derivatives as they are, in contracts")
	cmd.Flags().String("frame", "", "Key of a JSON object under which the venue's frame stands")
	return cmd
}

func importBarsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bars <file>... [--config <path> [--adapter <name>]] [--history <name>] [--venue <name> | --columns <list>] [--symbol <name>] [--interval <length>]",
		Short: "Brings files of finished bars into a history",
		Long: "Writes the bars of the files into a history of the configuration (history postgres or clickhouse) as final klines. They have the epoch 0, below that of\n" +
			"the engine: a bar that the pipeline published stays above an imported one. No broker is needed.",
		Args: some("the files to import"),
		RunE: withArgs(func(ctx context.Context, fl caddycmd.Flags, files []string) (int, error) {
			return runImport(ctx, fl, files, transfer.Bars)
		}),
	}
	importFlags(cmd, transfer.Bars)
	cmd.Flags().String("interval", "", "Length of the bars (1m, 1h, 1d), if the rows do not name it")
	cmd.Flags().String("history", "", "sink_name of the history, if the configuration has several")
	return cmd
}

// importFlags are those of both kinds.
func importFlags(cmd *cobra.Command, kind transfer.Kind) {
	offlineFlags(cmd)
	_ = cmd.Flags().MarkHidden("intervals") // it is there
	fl := cmd.Flags()
	fl.String("format", transfer.FormatAuto, "csv, jsonl, json (one array) or auto: by the first characters")
	fl.StringSlice("columns", nil, "Columns in their order, _ for one that is not read (ts,price,size,_,id), or fields and their headers (ts=time,size=qty)")
	fl.String("venue", "", "Files of a venue: "+strings.Join(transfer.FileVenues(kind), ", ")+venueHint(kind))
	fl.String("symbol", "", "Symbol of rows that have none")
	fl.String("time-unit", "", "s, ms, us, ns, rfc3339 or auto: the unit in which the first row lies between 2000 and 2100. Default: the venue's, or auto")
	fl.String("date", "", "Day (2013-10-08) from whose midnight times count")
	fl.String("zone", "", "Time zone of that midnight (America/New_York). Default: the venue's, or UTC")
	fl.Int("price-scale", 0, "How many places integer prices have behind the point")
	fl.String("delimiter", ",", "What separates the columns of CSV; tab for a tab")
	fl.Int64("max-bad", 0, "How many rows of a file may be unusable and are left out. Default: the first stops the import")
	fl.String("bad-file", "", "File to which unusable rows are appended, as JSON lines with place and reason")
	fl.Float64("rate", 0, "Most rows per second; 0 is no limit")
	fl.String("state", "", "State file instead of <file>"+transfer.StateSuffix+", or a folder for those of several files")
	fl.Bool("restart", false, "Begin anew, whatever was imported before")
}

func venueHint(kind transfer.Kind) string {
	if kind == transfer.Bars {
		return ""
	}
	return "; for JSON also the formats of the feeds"
}

// importRun is one command under way.
type importRun struct {
	fl      caddycmd.Flags
	kind    transfer.Kind
	rules   []core.SymbolRule
	target  transfer.Target
	guard   *transfer.Guard
	headers transfer.TradeHeaders
	topic   *transfer.Topic // of trades
	bad     *os.File
	told    int // bad rows that were printed
}

// maxTold is how many bad rows are printed.
const maxTold = 20

func runImport(ctx context.Context, fl caddycmd.Flags, files []string, kind transfer.Kind) (int, error) {
	states, err := statePaths(fl.String("state"), files)
	if err != nil {
		return exitUnable, err
	}
	until, err := completeUntil(fl, kind)
	if err != nil {
		return exitUnable, err
	}
	r := &importRun{fl: fl, kind: kind}
	closeTarget, err := r.open(ctx)
	if err != nil {
		return exitUnable, err
	}
	defer closeTarget()
	im, err := r.configure()
	if err != nil {
		return exitUnable, err
	}
	if r.bad != nil {
		defer func() { _ = r.bad.Close() }() // each write was checked
	}
	for i, file := range files {
		if err := r.file(ctx, im, file, states[i]); err != nil {
			if bad := (*transfer.TooManyBadError)(nil); errors.As(err, &bad) {
				return 1, err
			}
			return exitUnable, err
		}
	}
	if until > 0 {
		return exitOf(r.topic.Beat(ctx, r.headers.Source, until))
	}
	return 0, nil
}

func exitOf(err error) (int, error) {
	if err != nil {
		return exitUnable, err
	}
	return 0, nil
}

// completeUntil is the time of that flag, ms, 0 for none.
func completeUntil(fl caddycmd.Flags, kind transfer.Kind) (int64, error) {
	if kind == transfer.Bars || fl.String("complete-until") == "" {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339Nano, fl.String("complete-until"))
	if err != nil || at.UnixMilli() <= 0 {
		return 0, fmt.Errorf("reading --complete-until: %q is no time such as 2026-11-21T00:00:00Z", cut(fl.String("complete-until")))
	}
	return at.UnixMilli(), nil
}

// statePaths are where the state of each file is.
func statePaths(flag string, files []string) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	info, err := os.Stat(flag)
	folder := flag != "" && err == nil && info.IsDir()
	if flag != "" && !folder && len(files) > 1 {
		return nil, fmt.Errorf("--state %q is no folder, and %d files are imported: name a folder that exists", cut(flag), len(files))
	}
	for _, f := range files {
		path := f + transfer.StateSuffix
		switch {
		case f == "-":
			return nil, errors.New("an import from the standard input could not go on after an interruption: write it into a file")
		case folder:
			path = filepath.Join(flag, filepath.Base(f)+transfer.StateSuffix)
		case flag != "":
			path = flag
		}
		if seen[path] {
			return nil, fmt.Errorf("two of the files have the state %q: give them different names, or leave --state out", cut(path))
		}
		seen[path] = true
		out = append(out, path)
	}
	return out, nil
}

// configure builds the import of the flags.
func (r *importRun) configure() (*transfer.Import, error) {
	fl := r.fl
	list, err := fl.GetStringSlice("columns")
	if err != nil {
		return nil, err
	}
	columns, err := transfer.ParseColumns(list)
	if err != nil {
		return nil, err
	}
	maxBad, err := fl.GetInt64("max-bad")
	if err != nil || maxBad < 0 {
		return nil, fmt.Errorf("reading --max-bad: it must not be below 0")
	}
	comma := fl.String("delimiter")
	if comma == "tab" {
		comma = "\t"
	}
	if len(comma) != 1 || comma == `"` {
		return nil, fmt.Errorf("reading --delimiter: %q is no single character, or a quote", cut(comma))
	}
	rate, err := fl.GetFloat64("rate")
	if err != nil || rate < 0 {
		return nil, fmt.Errorf("reading --rate: it must not be below 0")
	}
	cfg := transfer.Config{
		Kind: r.kind, Format: fl.String("format"), Columns: columns, Venue: fl.String("venue"), Symbol: fl.String("symbol"),
		TimeUnit: fl.String("time-unit"), Date: fl.String("date"), Zone: fl.String("zone"), PriceScale: fl.Int("price-scale"),
		Comma: comma[0], Target: r.target, Guard: r.guard, MaxBad: maxBad, Bad: r.tellBad, Rate: rate, Restart: fl.Bool("restart"), Rules: r.rules,
		Clock: clock.Real(),
	}
	if r.kind == transfer.Bars {
		cfg.Interval = fl.String("interval")
	} else {
		cfg.Frame, cfg.Contracts = fl.String("frame"), fl.Bool("contracts")
	}
	progress := newProgress(os.Stderr, clock.Real())
	cfg.Progress = progress.file
	if path := fl.String("bad-file"); path != "" {
		if r.bad, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil { // #nosec G304 -- the operator's own file
			return nil, fmt.Errorf("opening --bad-file: %w", err)
		}
	}
	return transfer.New(cfg)
}

// tellBad prints the first bad rows and writes all of them to the file for them.
func (r *importRun) tellBad(rows []*transfer.BadRowError) error {
	for _, b := range rows {
		if r.told++; r.told <= maxTold {
			fmt.Fprintln(os.Stderr, "left out:", b)
		}
		if r.told == maxTold+1 {
			fmt.Fprintln(os.Stderr, "left out: more rows, which are counted (--bad-file keeps them all)")
		}
	}
	if r.bad == nil {
		return nil
	}
	return transfer.WriteBad(r.bad, rows)
}

// file imports one file and says what became of it.
func (r *importRun) file(ctx context.Context, im *transfer.Import, file, state string) error {
	began := clock.Real().Now()
	totals, err := im.Run(ctx, file, state, r.headers)
	if isTerminal(os.Stderr) {
		fmt.Fprintf(os.Stderr, "\r%78s\r", "")
	}
	out, name := commandOutput(), plain(filepath.Base(file))
	if totals.AlreadyDone {
		fmt.Fprintf(out, "%s: all %d rows were imported before (state: %s; --restart imports it again)\n", name, totals.Resumed, state)
		return nil
	}
	if totals.Rows == 0 && totals.Resumed == 0 && err != nil {
		return err
	}
	took := clock.Real().Now().Sub(began).Seconds()
	fmt.Fprintf(out, "%s: %d %s of %d rows in %.1f s (%.0f/s)", name, totals.Entries, r.kind, totals.Rows, took, float64(totals.Entries)/max(took, 0.001))
	for _, part := range []struct {
		n    int64
		text string
	}{{totals.Bad, "%d left out"}, {totals.Derived, "%d ids made of file and row"}, {totals.Unsided, "%d without a side that is known"}, {totals.Resumed, "begun behind row %d, where it had stopped"}} {
		if part.n > 0 {
			fmt.Fprintf(out, "; "+part.text, part.n)
		}
	}
	if totals.Columns != "" {
		fmt.Fprintf(out, "; columns %s", plain(totals.Columns))
	}
	if totals.Unit != "" {
		fmt.Fprintf(out, "; times in %s", totals.Unit)
	}
	fmt.Fprintln(out)
	if errors.Is(err, transfer.ErrInterrupted) {
		return fmt.Errorf("importing %s: %w behind row %d: run the command again and it goes on there", name, err, totals.Resumed+totals.Rows)
	}
	return err
}
