package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/transfer"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// open finds where the rows go.
func (r *importRun) open(ctx context.Context) (closeAll func(), err error) {
	if r.kind == transfer.Bars {
		return r.openHistory(ctx)
	}
	return r.openTopic(ctx)
}

// openTopic finds the brokers and makes the topics where they are missing.
func (r *importRun) openTopic(ctx context.Context) (closeAll func(), err error) {
	app, err := appOf(r.fl)
	if err != nil {
		return nil, err
	}
	o := new(offline)
	opened := false
	defer func() {
		if !opened {
			o.close()
		}
	}()
	if err := o.configure(app, r.fl); err != nil {
		return nil, err
	}
	if m := o.config.Embedded; m != nil {
		// History may come before the first start.
		if err := os.MkdirAll(m.Dir, 0o750); err != nil {
			return nil, fmt.Errorf("creating the data folder: %w", err)
		}
	}
	if err := o.connect(ctx); err != nil {
		return nil, err
	}
	if err := overrideNames(o, r.fl); err != nil {
		return nil, err
	}
	cfg, err := o.importTopic(ctx)
	if err != nil {
		return nil, err
	}
	if r.topic, err = transfer.NewTopic(cfg); err != nil {
		return nil, err
	}
	o.end = append(o.end, r.topic.Close)
	r.target, r.rules = r.topic, o.config.Symbols
	r.headers = transfer.TradeHeaders{Source: r.fl.String("source"), Venue: nameOr(r.fl.String("venue"), "import")}
	if r.headers.Source == "" || len(r.headers.Source) > wire.MaxSourceBytes {
		return nil, fmt.Errorf("checking --source: it must have 1 to %d bytes", wire.MaxSourceBytes)
	}
	r.guard = o.guard(ctx, cfg, r)
	opened = true
	return o.close, nil
}

// guard watches that trades come in time.
func (o *offline) guard(ctx context.Context, cfg transfer.TopicConfig, r *importRun) *transfer.Guard {
	g := &transfer.Guard{Now: clock.Real().Now, MaxFuture: o.config.MaxFuture, MaxAge: o.config.MaxAge, Tolerance: 1 << 62}
	if r.fl.Bool("allow-late") {
		return g
	}
	tail := transfer.NewTail(cfg, o.config.Mapping, r.headers.Source)
	g.Tolerance = o.config.AllowedLateness + o.config.WatermarkDelay
	g.Newest = func(symbol string) (int64, bool, error) { return tail.Newest(ctx, symbol) }
	return g
}

// importTopic makes the topics and says how far the log may fill.
func (o *offline) importTopic(ctx context.Context) (transfer.TopicConfig, error) {
	cfg := transfer.TopicConfig{Cluster: o.cluster, Topic: o.input, Group: o.group, Clock: clock.Real()}
	topics := kafka.Topics{Input: o.input, Prefix: o.prefix}
	opts := kafka.EnsureOptions{Create: true, Embedded: true}
	if k := o.config.Kafka; k != nil {
		topics.Nodes = !k.Idempotent
		opts = kafka.EnsureOptions{Create: k.CreateTopics}
	} else {
		m := o.config.Embedded
		opts.Partitions, opts.Retention = m.Partitions, m.Retention/int64(m.Partitions)
		// The input has half of the retention; of one partition's share half may
		// be unread, the rest is for whoever else writes.
		cfg.Room = m.Retention / int64(m.Partitions) / 4
		cfg.Alone = o.cluster.Dial != nil
		if m.Sync {
			cfg.Linger = 10 * time.Millisecond // each batch costs an fsync
		}
	}
	layout, err := kafka.Ensure(ctx, o.cluster, topics, opts)
	if err != nil {
		return cfg, fmt.Errorf("preparing the topics: %w", err)
	}
	cfg.Mapping, cfg.Partitions = layout.Mapping, layout.N
	return cfg, nil
}

// openHistory finds the history of the configuration and opens its table of
// klines.
func (r *importRun) openHistory(ctx context.Context) (closeAll func(), err error) {
	o, h, err := historyOf(r.fl, r.fl.String("history"))
	if err != nil {
		return nil, err
	}
	sink := h.openSink(o.historyEnv(h), history.Klines)
	o.end = append(o.end, sink.Close)
	if _, err := sink.Open(ctx, "import", 0); err != nil {
		o.close()
		return nil, fmt.Errorf("opening the history %s: %w", h.Sink(), err)
	}
	r.rules = o.config.Symbols
	r.target = transfer.NewHistory(h.Sink()+" "+h.where(), sink)
	return o.close, nil
}

// stored is a history that can be written and read by commands.
type stored interface {
	History
	openSink(env historyEnv, s history.Stream) history.Sink
	// openReader reads the tables for exports; it does not dial.
	openReader(env historyEnv) transfer.Reader
	// where is the place of its tables, without secrets.
	where() string
}

// historyOf finds the history of that name in the configuration, or its only
// one.
func historyOf(fl caddycmd.Flags, name string) (*offline, stored, error) {
	app, err := appOf(fl)
	if err != nil {
		return nil, nil, err
	}
	o := &offline{compute: app.compute()}
	if err := o.configure(app, fl); err != nil {
		o.close()
		return nil, nil, err
	}
	var found []stored
	var names []string
	for _, h := range app.histories {
		if s, ok := h.(stored); ok {
			names = append(names, h.Sink())
			if name == "" || h.Sink() == name {
				found = append(found, s)
			}
		}
	}
	if len(found) == 1 {
		return o, found[0], nil
	}
	o.close()
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return nil, nil, errors.New("the configuration has no history of bars: add `history postgres { ... }` or `history clickhouse { ... }` to the kline block")
	case name != "":
		return nil, nil, fmt.Errorf("the configuration has no history %q (there are: %s)", cut(name), strings.Join(names, ", "))
	}
	return nil, nil, fmt.Errorf("the configuration has several histories: say which with --history (%s)", strings.Join(names, ", "))
}

// historyEnv lends a history its own secrets.
func (*offline) historyEnv(h History) historyEnv {
	return historyEnv{clock: clock.Real(), log: silentLog{}, lender: ownLoans{loanOf(h): h.lends()}}
}
