package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/embedded"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// offline is what a command works with: the kline block of a configuration, and
// how to reach the topics, whether or not a node is running.
type offline struct {
	config  pipeline.Config // complete
	compute []string
	cluster kafka.Cluster
	input   string
	prefix  string
	group   string
	end     []func()
}

// offlineFlags adds the flags by which a command finds its topics.
func offlineFlags(cmd *cobra.Command) {
	cmd.Flags().StringP("config", "c", "", "Configuration file whose kline block says where the topics are and how they are read")
	cmd.Flags().StringP("adapter", "a", "", "Name of the adapter of that file, if it is not JSON")
	cmd.Flags().StringSlice("brokers", nil, "Kafka brokers (host:port), instead of those of the configuration")
	cmd.Flags().String("topic", "", "Topic of trades, instead of that of the configuration")
	cmd.Flags().String("prefix", "", "What stands in front of klines, late and dlq, instead of output_prefix")
	cmd.Flags().String("group", "", "Consumer group of the node, instead of that of the configuration")
	cmd.Flags().String("prices", "", "any: all symbols may have prices of 0 and below, whatever the configuration says")
	cmd.Flags().StringSlice("intervals", nil, "Lengths of the bars, instead of those of the configuration")
}

// openOffline reads the configuration, applies the flags and finds the brokers.
func openOffline(ctx context.Context, fl caddycmd.Flags) (*offline, error) {
	app, err := appOf(fl)
	if err != nil {
		return nil, err
	}
	o := &offline{compute: app.compute()}
	opened := false
	defer func() {
		if !opened {
			o.close()
		}
	}()
	if err := o.configure(app, fl); err != nil {
		return nil, err
	}
	if err := o.connect(ctx); err != nil {
		return nil, err
	}
	if err := overrideNames(o, fl); err != nil {
		return nil, err
	}
	opened = true
	return o, nil
}

// errNoConfiguration says what openOffline does not know without one.
var errNoConfiguration = errors.New("no configuration is named and no Caddyfile is here: use --config, or --brokers and --topic")

// appOf is the kline app of the configuration, or an empty one where brokers
// are named instead.
func appOf(fl caddycmd.Flags) (*App, error) {
	brokers, err := fl.GetStringSlice("brokers")
	if err != nil {
		return nil, err
	}
	app := new(App)
	if len(brokers) > 0 && fl.String("config") == "" {
		raw, err := json.Marshal(map[string]any{"source": "kafka", "brokers": brokers})
		app.SourceRaw = raw
		return app, err
	}
	text, file, _, err := caddycmd.LoadConfig(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if len(text) == 0 {
		return nil, errNoConfiguration
	}
	var cfg caddy.Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", cut(file), err)
	}
	raw := cfg.AppsRaw["kline"]
	if raw == nil {
		return nil, fmt.Errorf("the configuration %s has no kline block", cut(file))
	}
	if err := caddy.StrictUnmarshalJSON(raw, app); err != nil {
		return nil, fmt.Errorf("reading the kline block of %s: %w", cut(file), err)
	}
	return app, nil
}

// configure builds what an engine would be built from. Nothing is started, and
// feeds are left alone.
func (o *offline) configure(app *App, fl caddycmd.Flags) error {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	o.end = append(o.end, cancel)
	if names, err := fl.GetStringSlice("intervals"); err != nil {
		return err
	} else if len(names) > 0 {
		app.Intervals = names
	}
	app.FeedsRaw = nil
	if err := app.loadGuests(ctx); err != nil {
		return err
	}
	cfg, err := app.config()
	if err != nil {
		return err
	}
	lent := ownLoans{"source": app.source.lends(), "store": app.store.lends()}
	if err := app.source.BuildSource(&cfg, lent); err != nil {
		return err
	}
	if err := app.store.BuildStore(&cfg, lent); err != nil {
		return err
	}
	if brokers, err := fl.GetStringSlice("brokers"); err != nil {
		return err
	} else if len(brokers) > 0 {
		if cfg.Kafka == nil {
			cfg.Kafka, cfg.Embedded = new(pipeline.KafkaSource), nil
		}
		cfg.Kafka.Brokers = brokers
	}
	if cfg.Symbols, err = anyPrices(cfg.Symbols, fl.String("prices")); err != nil {
		return err
	}
	o.config, err = pipeline.Complete(cfg)
	return err
}

// anyPrices are rules that take every price, if the flag says so.
func anyPrices(rules []core.SymbolRule, flag string) ([]core.SymbolRule, error) {
	switch flag {
	case "":
		return rules, nil
	case pricesAny:
		for i := range rules {
			rules[i].AnyPrice = true
		}
		return append(rules, core.SymbolRule{Pattern: "*", PriceScale: autoScale, SizeScale: autoScale, AnyPrice: true}), nil
	}
	return nil, fmt.Errorf("reading --prices: unknown value %q (allowed: any)", cut(flag))
}

// ownLoans lends what the one configuration has.
type ownLoans map[string]*loan

func (l ownLoans) loan(kind string) *loan {
	if n := l[kind]; n != nil {
		return n
	}
	return new(loan)
}

// dialTimeout is how long an embedded broker may take to accept a connection.
const dialTimeout = 2 * time.Second

// connect finds the brokers. An embedded broker is asked where a node runs, and
// opened here, for this process alone, where none does.
func (o *offline) connect(ctx context.Context) error {
	if k := o.config.Kafka; k != nil {
		var err error
		o.input, o.prefix, o.group = k.Topic, k.OutputPrefix, k.Group
		o.cluster, err = k.Cluster(clock.Real(), silentLog{})
		return err
	}
	m := o.config.Embedded
	o.input, o.group = "ticks", "caddy-kline"
	dialer := net.Dialer{Timeout: dialTimeout}
	if conn, err := dialer.DialContext(ctx, "tcp", m.Listen); err == nil {
		_ = conn.Close() // it only had to be accepted
		o.cluster = kafka.Cluster{Brokers: []string{m.Listen}, Log: silentLog{}}
		return nil
	}
	if _, err := os.Stat(m.Dir); err != nil {
		return fmt.Errorf("no broker answers at %s, and there is no log of one in %s: start the node, or name its configuration with --config", m.Listen, m.Dir)
	}
	b, err := embedded.Start(embedded.Config{DataDir: m.Dir, Listen: "127.0.0.1:0", Partitions: m.Partitions, Topics: m.EmbeddedTopics(), Clock: clock.Real()})
	if err != nil {
		return fmt.Errorf("no broker answers at %s, and its log cannot be opened: %w", m.Listen, err)
	}
	o.end = append(o.end, b.Close)
	o.cluster = kafka.Cluster{Brokers: []string{b.Addr()}, Dial: b.Dial, Log: silentLog{}}
	return nil
}

// overrideNames applies the flags that name topics and group.
func overrideNames(o *offline, fl caddycmd.Flags) error {
	for _, f := range []struct {
		flag string
		to   *string
	}{{"topic", &o.input}, {"prefix", &o.prefix}, {"group", &o.group}} {
		if !fl.Changed(f.flag) {
			continue
		}
		*f.to = fl.String(f.flag)
		if *f.to != "" && !topicName.MatchString(*f.to) {
			return fmt.Errorf("checking --%s: %q has other characters than letters, digits, dot, underscore and hyphen, or more than 200", f.flag, cut(*f.to))
		}
	}
	return nil
}

func (o *offline) close() {
	for i := len(o.end) - 1; i >= 0; i-- {
		o.end[i]()
	}
	o.end = nil
}

// indicators compiles the module and resolves the configured instances.
func (o *offline) indicators(ctx context.Context) (*hostIndicators, error) {
	c, err := newComputer(o.compute, o.config.DataDir)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, fmt.Errorf("starting indicators: %w", err)
	}
	o.end = append(o.end, c.stop)
	return c.running.Load(), nil
}

// onlySymbols is a filter of symbols, nil for all.
func onlySymbols(names []string) (map[string]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	only := map[string]bool{}
	for _, name := range names {
		if !core.ValidSymbol([]byte(name)) {
			return nil, fmt.Errorf("checking --symbols: %q is not a symbol", cut(name))
		}
		only[name] = true
	}
	return only, nil
}

// silentLog drops what the Kafka client says: a command ends with a sentence of
// its own.
type silentLog struct{}

func (silentLog) Debug(string, ...any) {}
func (silentLog) Info(string, ...any)  {}
func (silentLog) Warn(string, ...any)  {}
func (silentLog) Error(string, ...any) {}
