package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/verify"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// exitUnable is the exit code of a command that could not do its work; 1 is
// what it says when it could and the answer is no.
const exitUnable = 2

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [--config <path> [--adapter <name>]] [--brokers <list> --topic <name>] [--rest <url>]",
		Short: "Recomputes klines and indicator values from the trades and compares",
		Long: "Reads the topic of trades, recomputes every closed kline and indicator value by code of its own, and compares\n" +
			"with the topic klines, with Redis if the configuration has one, and with a node's REST if --rest names it. A node may be running or not.\n" +
			"Exit code 0: equal. 1: something differs, each place is named. 2: it could not be compared.",
		Args: none(),
		RunE: caddycmd.WrapCommandFuncForCobra(runVerify),
	}
	offlineFlags(cmd)
	cmd.Flags().String("rest", "", "Base address of a node whose REST is compared, such as http://localhost:8080")
	cmd.Flags().Bool("no-redis", false, "Leave the Redis of the configuration out")
	cmd.Flags().StringSlice("indicators", nil, "Instances whose values are compared, instead of those of the configuration; none: no values")
	cmd.Flags().Duration("allowed-lateness", 0, "The largest allowed_lateness that was ever configured, if it was changed")
	cmd.Flags().Int("max-differences", 100, "How many differences are printed; all are counted")
	return cmd
}

func runVerify(fl caddycmd.Flags) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := openOffline(ctx, fl)
	if err != nil {
		return exitUnable, err
	}
	defer o.close()
	cfg, notes, err := o.verifyConfig(ctx, fl)
	if err != nil {
		return exitUnable, err
	}
	out := commandOutput()
	cfg.Found = func(d verify.Difference) { fmt.Fprintln(out, d) }
	progress := newProgress(os.Stderr, clock.Real())
	cfg.Progress = progress.records
	report, err := verify.Run(ctx, cfg)
	progress.end()
	if ctx.Err() != nil {
		return exitUnable, errors.New("verifying was interrupted")
	}
	if err != nil {
		return exitUnable, err
	}
	report.Notes = append(notes, report.Notes...)
	printReport(out, report, cfg.MaxDifferences)
	if report.Nothing() {
		return exitUnable, fmt.Errorf("nothing was compared: by its offsets the group %s has read nothing, and klines has %d records; "+
			"if they were reset, let the node run until it has read a record, or leave them out with --group \"\"", cfg.Group, report.Beyond)
	}
	if !report.Equal() {
		return 1, fmt.Errorf("verified: %d differences", report.Differences)
	}
	return 0, nil
}

// verifyConfig translates the configuration for the independent path.
func (o *offline) verifyConfig(ctx context.Context, fl caddycmd.Flags) (verify.Config, []string, error) {
	c := &o.config
	cfg := verify.Config{
		Cluster: o.cluster, Input: o.input, Prefix: o.prefix, Group: o.group, Format: formatOf(c.Mapping), Rules: rulesOf(c.Symbols),
		WatermarkDelay: c.WatermarkDelay.Milliseconds(), AllowedLateness: c.AllowedLateness.Milliseconds(),
		MaxFuture: c.MaxFuture.Milliseconds(), MaxAge: c.MaxAge.Milliseconds(),
		REST: fl.String("rest"), ViewBars: c.ViewBars, MaxDifferences: fl.Int("max-differences"), Clock: clock.Real(),
	}
	// It is asked last, when everything else has been compared for nothing.
	if _, ok := webAddress(cfg.REST); !ok && cfg.REST != "" {
		return cfg, nil, fmt.Errorf("checking --rest: %q is not an address such as http://localhost:8080", cut(cfg.REST))
	}
	if fl.Changed("allowed-lateness") {
		cfg.AllowedLateness = fl.Duration("allowed-lateness").Milliseconds()
	}
	for _, i := range c.Intervals {
		itv, err := verify.ParseInterval(i.Name())
		if err != nil {
			return cfg, nil, err
		}
		cfg.Intervals = append(cfg.Intervals, itv)
	}
	if names, err := instances(fl); err != nil {
		return cfg, nil, err
	} else if len(names) > 0 {
		o.compute = names
	}
	if len(o.compute) != 1 || o.compute[0] != "none" {
		host, err := o.indicators(ctx)
		if err != nil {
			return cfg, nil, err
		}
		cfg.Instances = host.twins()
	}
	notes := redisOf(&cfg, c.Redis, fl.Bool("no-redis"))
	return cfg, notes, nil
}

// twins are the instances as the native code takes them.
func (h *hostIndicators) twins() []verify.Instance {
	var out []verify.Instance
	for _, i := range h.instances {
		out = append(out, verify.Instance{
			Name: i.Name, ID: i.Indicator.ID, Params: i.Params, Source: i.SourceName(),
			Outputs: len(i.Outputs), Degenerate: i.HasDegenerate, Version: i.Ver,
		})
	}
	return out
}

// redisOf adds the Redis of the configuration.
func redisOf(cfg *verify.Config, r *pipeline.RedisStore, without bool) []string {
	switch {
	case r == nil || without:
		return nil
	case r.Addr == "":
		return []string{"redis: only a single server can be compared, this one has sentinels or is a cluster; it was left out"}
	}
	cfg.Redis = &verify.Redis{Addr: r.Addr, TLS: r.TLS, Prefix: r.KeyPrefix}
	if r.Credentials != nil {
		cfg.Redis.User, cfg.Redis.Password = r.Credentials()
	}
	return nil
}

// formatOf gives the paths of a mapping by their words.
func formatOf(m *wire.Mapping) verify.Format {
	if m == nil {
		return verify.Format{}
	}
	f := verify.Format{Paths: map[string]string{}, TimeUnit: m.TimeUnit.String(), SideOf: m.SideOf.String()}
	for i, path := range m.Paths {
		if len(path) > 0 {
			f.Paths[wire.Field(i).String()] = path.String() // #nosec G115 -- a dozen fields
		}
	}
	return f
}

func rulesOf(rules []core.SymbolRule) []verify.Rule {
	var out []verify.Rule
	for _, r := range rules {
		rule := verify.Rule{Pattern: r.Pattern, PriceScale: int(r.PriceScale), AnyPrice: r.AnyPrice}
		if r.Order != core.OrderAuto {
			rule.Order = r.Order.String()
		}
		out = append(out, rule)
	}
	return out
}

// printReport writes the totals.
func printReport(w io.Writer, r *verify.Report, limit int) {
	if hidden := r.Differences - int64(limit); hidden > 0 {
		fmt.Fprintf(w, "and %d more differences (--max-differences)\n", hidden)
	}
	for _, p := range r.Ranges {
		fmt.Fprintf(w, "partition %d: input %d to %d of %d\n", p.Partition, p.From, p.To, p.End)
	}
	fmt.Fprintf(w, "trades: %d = %d in bars + %d duplicate + %d late + %d rejected", r.Trades, r.InBars, r.Duplicate, r.Late, r.Rejected)
	if r.Unaccounted > 0 {
		fmt.Fprintf(w, " + %d UNACCOUNTED", r.Unaccounted)
	}
	fmt.Fprintf(w, " (%d records, %d heartbeats, %d without a trade)\n", r.Records, r.Heartbeats, r.Undecodable)
	fmt.Fprintf(w, "klines: %d records, %d of them restated, %d of restated values, %d repeats of a crash, %d behind the range\n", r.Klines, r.Restated, r.RestatedValues, r.Repeats, r.Beyond)
	fmt.Fprintf(w, "compared: %d bars, %d indicator values, %d bars in views; %d bars are still open\n", r.Bars, r.Values, r.Views, r.Open)
	for _, why := range slices.Sorted(maps.Keys(r.Reasons)) {
		fmt.Fprintf(w, "not provable: %d, %s\n", r.Reasons[why], why)
	}
	if r.HistoryRefused > 0 {
		fmt.Fprintf(w, "not compared: %d records of dlq about rows that the database of a history refused\n", r.HistoryRefused)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	if r.Equal() {
		fmt.Fprintln(w, "equal")
		return
	}
	fmt.Fprintf(w, "%d differences:\n", r.Differences)
	for _, field := range slices.Sorted(maps.Keys(r.ByField)) {
		fmt.Fprintf(w, "  %d x %s\n", r.ByField[field], field)
	}
}
