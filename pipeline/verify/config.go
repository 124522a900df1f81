package verify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// Config says what is held against what. Durations are in ms.
type Config struct {
	Cluster kafka.Cluster
	// Input is the topic of trades, Prefix stands in front of klines, late and
	// dlq. Default: ticks, none.
	Input, Prefix string
	// Group is the consumer group of the node. What it has committed is on all
	// topics, so its offset ends the range that is compared. Empty, or a group
	// without offsets: the range ends with the newest output.
	Group string

	Intervals []Interval
	Format    Format
	Rules     []Rule
	// WatermarkDelay, AllowedLateness, MaxFuture and MaxAge are those of the
	// engine; of a lateness that was changed, the largest.
	WatermarkDelay, AllowedLateness, MaxFuture, MaxAge int64
	// Instances are the indicators whose values stand in the klines. None: the
	// values are not looked at.
	Instances []Instance

	// Redis and REST are further places to compare; nil, "": none.
	Redis *Redis
	REST  string
	// ViewBars is how many of the newest bars of a series are compared there.
	// Default: 1000.
	ViewBars int

	// MaxDifferences bounds the differences that are reported one by one; all
	// are counted. Default: 100.
	MaxDifferences int
	// Found is called for each reported difference.
	Found func(Difference)
	// Progress is called every few thousand trades with the records read and
	// those of the whole range.
	Progress func(done, all int64)
	// Clock paces what waits for a lagging view. Default: the machine's.
	Clock clock.Clock
}

// Interval is a length of bar with fixed open times.
type Interval struct {
	Name   string
	Millis int64
	anchor int64 // an open time
}

// ParseInterval reads a count and one of ms s m h d w. Weeks open on Mondays,
// all others count from 1970.
func ParseInterval(name string) (Interval, error) {
	at := strings.IndexFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	if at <= 0 {
		return Interval{}, fmt.Errorf("reading interval %q: want a count and one of ms s m h d w", cut(name))
	}
	unit, known := map[string]int64{"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}[name[at:]]
	n, err := strconv.ParseInt(name[:at], 10, 32)
	if !known || err != nil || n < 1 {
		return Interval{}, fmt.Errorf("reading interval %q: want a count and one of ms s m h d w", cut(name))
	}
	i := Interval{Name: name, Millis: n * unit}
	if name[at:] == "w" {
		i.anchor = 4 * 86_400_000 // 1970-01-05 was a Monday
	}
	return i, nil
}

// open returns the open time of the bar that holds ms.
func (i Interval) open(ms int64) int64 {
	into := (ms - i.anchor) % i.Millis
	if into < 0 {
		into += i.Millis
	}
	return ms - into
}

// Rule is what the configuration declares about symbols; the first one that
// matches counts.
type Rule struct {
	// Pattern is a symbol, or the beginning of one and a star.
	Pattern string
	// PriceScale is the declared number of decimals of prices, negative if it
	// follows the trades.
	PriceScale int
	// Order is "trade_id", "seq", "arrival", or "" for what the first trade has.
	Order string
	// AnyPrice tells that prices of 0 and below are taken.
	AnyPrice bool
}

func (r *Rule) matches(symbol string) bool {
	if head, open := strings.CutSuffix(r.Pattern, "*"); open {
		return strings.HasPrefix(symbol, head)
	}
	return r.Pattern == symbol
}

// ruleOf is the rule about symbol, nil if there is none.
func (c *Config) ruleOf(symbol string) *Rule {
	for i := range c.Rules {
		if c.Rules[i].matches(symbol) {
			return &c.Rules[i]
		}
	}
	return nil
}

// takes tells whether the engine takes the price for trades of the symbol.
func (c *Config) takes(symbol []byte, price amount) bool {
	if price.digits > 0 && !price.negative {
		return true
	}
	r := c.ruleOf(string(symbol))
	return r != nil && r.AnyPrice
}

// Format says where the fields of a trade stand, in the words of the block
// format of the Caddyfile.
type Format struct {
	// Paths places fields by their words; others stand under their own name.
	Paths map[string]string
	// TimeUnit is s, ms, us, ns or rfc3339. Default: ms.
	TimeUnit string
	// SideOf is taker, maker or none. Default: taker.
	SideOf string
}

// Instance is one configured indicator as its native twin takes it.
type Instance struct {
	// Name is the canonical form, as it stands in the klines.
	Name string
	// ID is the indicator's number in the manifest, Params its parameters in
	// the order of the manifest.
	ID     uint32
	Params []float64
	// Source is the price that is read, "" for whole bars.
	Source string
	// Outputs is the number of values; Degenerate tells that a flag follows.
	Outputs    int
	Degenerate bool
	// Version is the first 8 hex digits of the module's sha256.
	Version string
}

func (c *Config) complete() error {
	if len(c.Cluster.Brokers) == 0 {
		return errors.New("verifying: no broker is named")
	}
	if len(c.Intervals) == 0 {
		return errors.New("verifying: no interval is named")
	}
	if c.Input == "" {
		c.Input = "ticks"
	}
	if c.MaxDifferences == 0 {
		c.MaxDifferences = 100
	}
	if c.ViewBars == 0 {
		c.ViewBars = 1000
	}
	if c.Found == nil {
		c.Found = func(Difference) {}
	}
	if c.Progress == nil {
		c.Progress = func(int64, int64) {}
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	return nil
}

// cut bounds foreign text that is quoted.
func cut(s string) string {
	const limit = 64
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}
