package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	playback "github.com/caddy-kline/caddy-kline/pipeline/replay"
)

func replayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay [<file>] [--config <path> [--adapter <name>]] [--speed 1x|10x|max] [--format jsonl|csv | --to-prefix <text> | --verify]",
		Short: "Runs trades of the past through the engine again",
		Long: "Plays a file of trades, or the topic of trades with the decisions of its journal, through the engine of this program, with the intervals and\n" +
			"indicators of the configuration; a file needs none, --intervals and --indicators say them too. The closed bars go to stdout, or with\n" +
			"--to-prefix to topics of their own. --verify writes nothing and compares every byte with klines instead: exit code 0 equal, 1 different, 2 not comparable.",
		Args: atMostOne("a file of trades"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return caddycmd.WrapCommandFuncForCobra(func(fl caddycmd.Flags) (int, error) { return runReplay(fl, args) })(cmd, args)
		},
	}
	offlineFlags(cmd)
	cmd.Flags().String("speed", "max", "How much faster than the trades were: 1x, 10x, 0.5x or max")
	cmd.Flags().String("format", "jsonl", "Form of the lines on stdout: jsonl or csv")
	cmd.Flags().String("file-format", "", "Form of the file: csv or jsonl. Default: by its suffix")
	cmd.Flags().String("symbol", "", "Symbol of the trades of a file that has none")
	cmd.Flags().StringSlice("symbols", nil, "Symbols whose bars are put out; default: all")
	cmd.Flags().StringSlice("indicators", nil, "Instances to compute, instead of those of the configuration; none: no values")
	cmd.Flags().String("to-prefix", "", "Write to topics with this prefix, which are created, instead of stdout")
	cmd.Flags().String("from", "", "First offset of every partition, or a time (RFC 3339) by Kafka timestamp")
	cmd.Flags().String("to", "", "Offset or time behind the last record")
	cmd.Flags().Bool("no-journal", false, "Leave out what the clock decided: quiet bars then close with the next trade")
	cmd.Flags().Bool("verify", false, "Compare every byte with klines")
	return cmd
}

func runReplay(fl caddycmd.Flags, args []string) (int, error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	speed, err := parseSpeed(fl.String("speed"))
	if err != nil {
		return exitUnable, err
	}
	file := ""
	if len(args) > 0 {
		file = args[0]
	}
	o, err := openReplay(ctx, fl, file)
	if err != nil {
		return exitUnable, err
	}
	defer o.close()
	r := &replayRun{offline: o, fl: fl, speed: speed, out: commandOutput()}
	if err := r.prepare(ctx, file); err != nil {
		return exitUnable, err
	}
	return r.run(ctx)
}

// openReplay needs no broker for a file that is written to stdout, and no
// configuration: the defaults and the flags say all.
func openReplay(ctx context.Context, fl caddycmd.Flags, file string) (*offline, error) {
	switch {
	case file != "" && fl.Bool("verify"):
		return nil, errors.New("--verify compares a topic with klines: leave the file out")
	case fl.Changed("to-prefix") && fl.String("to-prefix") == "":
		return nil, errors.New("--to-prefix is empty: name the prefix of the topics to write to, which must not be those of the node")
	case file != "" && (fl.String("from") != "" || fl.String("to") != ""):
		return nil, errors.New("--from and --to are about a topic: a file is played whole")
	case fl.Bool("verify") && fl.String("to-prefix") != "":
		return nil, errors.New("--verify writes nothing: leave --to-prefix out")
	case file == "" || fl.String("to-prefix") != "":
		return openOffline(ctx, fl)
	}
	app, err := appOf(fl)
	if errors.Is(err, errNoConfiguration) {
		app, err = &App{SourceRaw: json.RawMessage(`{"source":"embedded"}`)}, nil
	}
	if err != nil {
		return nil, err
	}
	o := &offline{compute: app.compute(), input: "ticks"}
	if err := o.configure(app, fl); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// parseSpeed reads a factor with an x behind it, or max.
func parseSpeed(text string) (feed.Speed, error) {
	if n := len(text) - 1; n > 0 && text[n] == 'x' && text != "max" {
		text = text[:n]
	}
	return feed.ParseSpeed(text)
}

// replayRun is one command under way.
type replayRun struct {
	*offline
	fl    caddycmd.Flags
	speed feed.Speed
	out   io.Writer
	only  map[string]bool
	input playback.Input
	sink  playback.Sink
	check *playback.Check
}

// prepare opens input and sink.
func (r *replayRun) prepare(ctx context.Context, file string) error {
	names, err := r.fl.GetStringSlice("symbols")
	if err != nil {
		return err
	}
	if r.only, err = onlySymbols(names); err != nil {
		return err
	}
	if err := r.computed(ctx); err != nil {
		return err
	}
	if file != "" {
		r.input, err = playback.OpenFile(feed.ReplayConfig{File: file, Format: r.fl.String("file-format"), Mapping: r.config.Mapping, Symbol: r.fl.String("symbol")})
	} else {
		err = r.openTopic(ctx)
	}
	if err != nil {
		return err
	}
	r.end = append(r.end, r.input.Close)
	return r.openSink(ctx)
}

// computed starts the indicators.
func (r *replayRun) computed(ctx context.Context) error {
	names, err := instances(r.fl)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		r.compute = names
	}
	if len(r.compute) == 1 && r.compute[0] == "none" {
		return nil
	}
	host, err := r.indicators(ctx)
	if err != nil {
		return err
	}
	r.config.Indicators = host
	return nil
}

// openTopic opens the range of the topic. For a comparison the group's offsets
// come before everything else, as in verify.
func (r *replayRun) openTopic(ctx context.Context) error {
	span := playback.Span{From: -1, To: -1}
	var err error
	if span.From, span.FromMS, err = parseEdge("from", r.fl.String("from")); err != nil {
		return err
	}
	if span.To, span.ToMS, err = parseEdge("to", r.fl.String("to")); err != nil {
		return err
	}
	if span.To >= 0 && span.To <= span.From || span.ToMS > 0 && span.ToMS <= span.FromMS {
		return errors.New("reading --from and --to: the range is empty")
	}
	journal := r.prefix + kafka.Journal.String()
	if r.fl.Bool("no-journal") {
		journal = ""
	}
	if !r.fl.Bool("verify") {
		r.input, err = playback.OpenTopic(ctx, r.cluster, r.offline.input, journal, span)
		return err
	}
	if journal == "" || r.fl.String("from") != "" || r.fl.String("to") != "" || r.only != nil {
		return errors.New("--verify plays the whole topic and its journal: leave --from, --to, --symbols and --no-journal out")
	}
	if span.Ends, err = kafka.GroupOffsets(ctx, r.cluster, r.group, r.offline.input); err != nil {
		return err
	}
	topic := r.prefix + kafka.Klines.String()
	ends := playback.Ends{Committed: span.Ends}
	if ends.Klines, err = kafka.EdgesOf(ctx, r.cluster, topic); err != nil {
		return err
	}
	if ends.Input, err = kafka.EdgesOf(ctx, r.cluster, r.offline.input); err != nil {
		return err
	}
	if r.input, err = playback.OpenTopic(ctx, r.cluster, r.offline.input, journal, span); err != nil {
		return err
	}
	for p := range r.input.Partitions() {
		if _, ok := span.Ends[p]; !ok {
			return fmt.Errorf("the group %q has committed nothing for partition %d of %s: name the node's group with --group", r.group, p, r.offline.input)
		}
	}
	r.check, err = playback.NewCheck(r.cluster, topic, ends, r.input, r.found())
	r.sink = r.check
	return err
}

// found prints the first differences.
func (r *replayRun) found() func(string) {
	left := 100
	return func(text string) {
		if left--; left >= 0 {
			fmt.Fprintln(r.out, text)
		}
	}
}

// parseEdge reads an offset or a time.
func parseEdge(flag, text string) (offset, ms int64, err error) {
	if text == "" {
		return -1, 0, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return n, 0, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.UnixMilli() <= 0 {
		return 0, 0, fmt.Errorf("reading --%s: %q is neither an offset nor a time such as 2026-11-21T11:00:00Z", flag, cut(text))
	}
	return -1, at.UnixMilli(), nil
}

// openSink opens where the outputs go.
func (r *replayRun) openSink(ctx context.Context) (err error) {
	prefix := r.fl.String("to-prefix")
	switch {
	case r.check != nil:
		r.end = append(r.end, r.check.Close)
	case prefix != "":
		return r.openTopics(ctx, prefix)
	case r.fl.String("format") == "jsonl":
		r.sink = playback.Lines(r.out, r.only)
	case r.fl.String("format") == "csv":
		host, _ := r.config.Indicators.(*hostIndicators)
		if host == nil {
			host = new(hostIndicators)
		}
		r.sink, err = playback.CSV(r.out, r.only, host.Instances())
	default:
		return fmt.Errorf("reading --format: %q is neither jsonl nor csv", cut(r.fl.String("format")))
	}
	return err
}

// openTopics creates the topics of the prefix with as many partitions as the
// input has.
func (r *replayRun) openTopics(ctx context.Context, prefix string) error {
	switch {
	case !topicName.MatchString(prefix):
		return fmt.Errorf("checking --to-prefix: %q has other characters than letters, digits, dot, underscore and hyphen, or more than 200", cut(prefix))
	case prefix == r.prefix:
		return fmt.Errorf("checking --to-prefix: %q is the prefix of the node itself, whose topics a replay must not touch", cut(prefix))
	}
	topics := kafka.Topics{Input: r.offline.input, Prefix: prefix}
	if _, err := kafka.Ensure(ctx, r.cluster, topics, kafka.EnsureOptions{Create: true, Partitions: r.input.Partitions()}); err != nil {
		return fmt.Errorf("creating the topics of --to-prefix: %w", err)
	}
	sink, end, err := playback.ToTopics(r.cluster, prefix, r.only)
	if err != nil {
		return err
	}
	r.sink, r.end = sink, append(r.end, end)
	return nil
}

// run plays, and says on stderr what was done.
func (r *replayRun) run(ctx context.Context) (int, error) {
	progress := newProgress(os.Stderr, clock.Real())
	player, err := playback.New(playback.Config{
		Engine: r.config, Topic: r.offline.input, Input: r.input, Sink: r.sink, Speed: r.speed,
		Progress: progress.count, Clock: clock.Real(),
	})
	if err != nil {
		return exitUnable, err
	}
	defer player.Close()
	totals, err := player.Run(ctx)
	progress.end()
	if errors.Is(err, context.Canceled) {
		return exitUnable, fmt.Errorf("replaying was interrupted after %d records", totals.Records)
	}
	if err != nil {
		return exitUnable, err
	}
	fmt.Fprintln(os.Stderr, &totals)
	if r.check == nil {
		return 0, nil
	}
	fmt.Fprintf(r.out, "%d records of klines have the same bytes, %d do not\n", r.check.Equal, r.check.Differing)
	if r.check.Differing > 0 {
		return 1, fmt.Errorf("replayed: %d differences", r.check.Differing)
	}
	return 0, nil
}
