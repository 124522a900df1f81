package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/durable"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/transfer"
)

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export klines|trades --output <file> [--format csv|jsonl|parquet] [--symbol <list>] [--interval <list>] [--from <time>] [--to <time>]",
		Short: "Writes klines or trades as CSV, JSON lines or Parquet",
		Long: "Reads the topic klines, or that of trades, as far as it is committed when the command starts, or a history with --from-history. Of each bar the newest\n" +
			"final revision goes out, ordered by symbol, interval and open time; of trades each once, by symbol and event time. The same data give the same bytes.\n" +
			"It is sorted on the disk, in the folder of the output: memory stays below some 150 MiB, the disk needs room for the rows twice.\n" +
			"Prices and volumes are exact: texts in CSV and JSON, DECIMAL(38,18) in Parquet. A node may be running or not.",
		Args:      one("klines or trades"),
		ValidArgs: []string{"klines", "trades"},
		RunE:      withArgs(runExport),
	}
	offlineFlags(cmd)
	_ = cmd.Flags().MarkHidden("intervals") // it is there
	fl := cmd.Flags()
	fl.StringP("output", "o", "", "File to write, - for stdout. It is written beside and renamed when it is whole")
	fl.String("format", "", "csv, jsonl or parquet. Default: by the suffix of the output")
	fl.StringSlice("symbol", nil, "Symbols that go out; default: all")
	fl.StringSlice("interval", nil, "Lengths of the bars that go out; default: all")
	fl.String("from", "", "First event time of trades, or open time of bars (RFC 3339)")
	fl.String("to", "", "Time behind the last one (RFC 3339)")
	fl.StringSlice("indicators", nil, "Instances whose values go out beside the bars, or all; default: none")
	fl.Bool("gzip", false, "Compress CSV or JSON lines. Default: by the suffix .gz of the output")
	fl.String("decimals", "decimal", "In Parquet: decimal, DECIMAL(38,18), or string")
	fl.Bool("from-history", false, "Read a history of the configuration instead of the topic")
	fl.String("history", "", "sink_name of the history, if the configuration has several")
	fl.String("temp-dir", "", "Folder in which it is sorted. Default: that of the output")
	return cmd
}

func runExport(ctx context.Context, fl caddycmd.Flags, args []string) (int, error) {
	cfg, err := exportConfig(fl, args[0])
	if err != nil {
		return exitUnable, err
	}
	reader, o, err := exportReader(ctx, fl, &cfg)
	if o != nil {
		defer o.close()
	}
	if err != nil {
		return exitUnable, err
	}
	cfg.Rules = o.config.Symbols
	for _, i := range o.config.Intervals {
		cfg.Configured = append(cfg.Configured, i.Name())
	}
	progress := newProgress(os.Stderr, clock.Real())
	cfg.Progress = progress.records
	began := clock.Real().Now()
	var rows int64
	err = writeOutput(fl.String("output"), func(w io.Writer) error {
		var err error
		rows, err = transfer.Export(ctx, cfg, reader, w)
		return err
	})
	progress.end()
	switch {
	case ctx.Err() != nil:
		return exitUnable, errors.New("the export was interrupted: nothing was written")
	case err != nil:
		return exitUnable, err
	}
	took := clock.Real().Now().Sub(began).Seconds()
	fmt.Fprintf(os.Stderr, "%d %s in %.1f s (%.0f/s)\n", rows, args[0], took, float64(rows)/max(took, 0.001))
	return 0, nil
}

// exportConfig reads the flags.
func exportConfig(fl caddycmd.Flags, what string) (transfer.ExportConfig, error) {
	out := fl.String("output")
	cfg := transfer.ExportConfig{
		Format: fl.String("format"), Gzip: fl.Bool("gzip") || strings.HasSuffix(out, ".gz"), Decimals: fl.String("decimals"), TempDir: fl.String("temp-dir"),
	}
	switch what {
	case "klines":
		cfg.Kind = transfer.Bars
	case "trades":
	default:
		return cfg, fmt.Errorf("there is nothing called %q to export (allowed: klines, trades)", cut(what))
	}
	if out == "" {
		return cfg, errors.New("no output is named: add --output <file>, or --output - for stdout")
	}
	if cfg.Format == "" {
		cfg.Format = strings.TrimPrefix(filepath.Ext(strings.TrimSuffix(out, ".gz")), ".")
		if cfg.Format == "" || out == "-" {
			return cfg, errors.New("the output does not tell the format: add --format csv, jsonl or parquet")
		}
	}
	if cfg.TempDir == "" && out != "-" {
		cfg.TempDir = filepath.Dir(out)
	}
	var err error
	for _, list := range []struct {
		flag string
		to   *[]string
	}{{"symbol", &cfg.Symbols}, {"interval", &cfg.Intervals}} {
		if *list.to, err = fl.GetStringSlice(list.flag); err != nil {
			return cfg, err
		}
		if len(*list.to) == 0 {
			*list.to = nil
		}
	}
	if cfg.Indicators, err = instances(fl); err != nil {
		return cfg, err
	}
	if cfg.From, err = exportTime(fl, "from"); err != nil {
		return cfg, err
	}
	if cfg.To, err = exportTime(fl, "to"); err != nil {
		return cfg, err
	}
	if cfg.Kind == transfer.Trades && (cfg.Intervals != nil || cfg.Indicators != nil) {
		return cfg, errors.New("--interval and --indicators are about klines")
	}
	return cfg, cfg.Check()
}

func exportTime(fl caddycmd.Flags, flag string) (int64, error) {
	text := fl.String(flag)
	if text == "" {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.UnixMilli() <= 0 {
		return 0, fmt.Errorf("reading --%s: %q is no time such as 2026-11-21T11:00:00Z", flag, cut(text))
	}
	return at.UnixMilli(), nil
}

// exportReader opens what is read.
func exportReader(ctx context.Context, fl caddycmd.Flags, cfg *transfer.ExportConfig) (transfer.Reader, *offline, error) {
	if fl.Bool("from-history") {
		o, h, err := historyOf(fl, fl.String("history"))
		if err != nil {
			return nil, nil, err
		}
		return h.openReader(o.historyEnv(h)), o, o.outputNames(ctx, cfg)
	}
	o, err := openOffline(ctx, fl)
	if err != nil {
		return nil, nil, err
	}
	r := &transfer.TopicReader{Cluster: o.cluster, Input: o.input, KlineTopic: o.prefix + kafka.Klines.String(), Mapping: o.config.Mapping}
	return r, o, o.outputNames(ctx, cfg)
}

// outputNames lets indicators name their outputs, if values go out.
func (o *offline) outputNames(ctx context.Context, cfg *transfer.ExportConfig) error {
	if cfg.Indicators == nil || len(o.compute) == 1 && o.compute[0] == "none" {
		return nil
	}
	host, err := o.indicators(ctx)
	if err != nil {
		return err
	}
	names := map[string][]string{}
	for _, i := range host.Instances() {
		names[i.Name] = i.Outputs
	}
	cfg.Outputs = func(instance string) []string { return names[instance] }
	return nil
}

// writeOutput writes a file beside and renames it, or writes stdout.
func writeOutput(path string, write func(io.Writer) error) error {
	if path == "-" {
		w := bufio.NewWriterSize(commandOutput(), 1<<16)
		return errors.Join(write(w), w.Flush())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644) // #nosec G302 -- as any file that a program writes for its user
	}
	return durable.Rename(f, err, path)
}
