package core

import (
	"fmt"
	"strings"
)

// Order says what orders the trades of one symbol and one nanosecond.
type Order uint8

// Orders. OrderAuto takes the trade id if the symbol's first trade has an
// integer one, else its sequence, else arrival.
const (
	OrderAuto Order = iota
	OrderTradeID
	OrderSeq
	OrderArrival
)

// String returns the name used in the configuration.
func (o Order) String() string {
	names := [...]string{"auto", "trade_id", "seq", "arrival"}
	if int(o) < len(names) {
		return names[o]
	}
	return "unknown"
}

// ParseOrder reads auto, trade_id, seq or arrival.
func ParseOrder(name string) (Order, error) {
	for o := OrderAuto; o <= OrderArrival; o++ {
		if o.String() == name {
			return o, nil
		}
	}
	return OrderAuto, fmt.Errorf("reading order %q: want trade_id, seq, arrival or auto", cut(name, 32))
}

// SymbolRule sets what is known beforehand about symbols. The first rule whose
// pattern matches is used.
type SymbolRule struct {
	Pattern    string // a symbol, or a beginning and "*"
	PriceScale int8   // 0..18 places, or -1: as many as trades need
	SizeScale  int8   // as PriceScale
	Order      Order
	// AnyPrice takes prices of 0 and below, as spreads, power and futures have them.
	AnyPrice bool
}

// RuleOf returns the first of the rules that is about symbol, nil if there is none.
func RuleOf(rules []SymbolRule, symbol string) *SymbolRule {
	for i := range rules {
		if r := &rules[i]; r.matches(symbol) {
			return r
		}
	}
	return nil
}

// TakesPrice reports whether trades of a symbol with this rule, nil for none, may have
// the price.
func (r *SymbolRule) TakesPrice(price Decimal) bool {
	return price.Coef > 0 || r != nil && r.AnyPrice
}

// matches reports whether the rule is about symbol.
func (r *SymbolRule) matches(symbol string) bool {
	if head, ok := strings.CutSuffix(r.Pattern, "*"); ok {
		return strings.HasPrefix(symbol, head)
	}
	return r.Pattern == symbol
}

// Defaults of Config fields that are 0.
const (
	DefaultMaxSymbols  = 10_000
	DefaultDedupWindow = 600_000
	DefaultDedupIDs    = 65_536
)

// Limits of Config.
const (
	maxIntervals = 64
	maxDuration  = maxIntervalMS
	maxDedupIDs  = 1 << 22
	maxSymbols   = 1 << 24
)

// Config is everything besides the log that results depend on. Durations are
// in ms.
type Config struct {
	Partition, Partitions int32
	Intervals             []Interval // shortest first

	WatermarkDelay  int64 // disorder expected inside the topic
	AllowedLateness int64 // how long a closed bar may change
	IdleDelay       int64 // how far an idle decision stays behind the clock
	MaxFuture       int64 // how far an event may lie after its record's timestamp
	MaxAge          int64 // how far before; 0 is off

	MaxSymbols        int // Default: 10000.
	StrictPartitioner bool
	Symbols           []SymbolRule

	DedupWindow int64 // event time the duplicate test remembers at least. Default: 600000.
	DedupIDs    int   // ids it remembers beyond the lateness. Default: 65536.
}

// normalized returns a copy with defaults set, or the first thing wrong.
func (c Config) normalized() (Config, error) {
	if c.MaxSymbols == 0 {
		c.MaxSymbols = DefaultMaxSymbols
	}
	if c.DedupWindow == 0 {
		c.DedupWindow = DefaultDedupWindow
	}
	if c.DedupIDs == 0 {
		c.DedupIDs = DefaultDedupIDs
	}
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	// Copied: a caller that sorts its slice later must not change what runs.
	c.Intervals = append([]Interval(nil), c.Intervals...)
	c.Symbols = append([]SymbolRule(nil), c.Symbols...)
	if err := c.checkIntervals(); err != nil {
		return c, err
	}
	if err := c.checkRules(); err != nil {
		return c, err
	}
	return c, c.checkLimits()
}

func (c *Config) checkIntervals() error {
	if len(c.Intervals) == 0 {
		return fmt.Errorf("checking intervals: none configured")
	}
	if len(c.Intervals) > maxIntervals {
		return fmt.Errorf("checking intervals: %d configured, at most %d", len(c.Intervals), maxIntervals)
	}
	for i, itv := range c.Intervals {
		if itv.millis == 0 {
			return fmt.Errorf("checking interval %q: months and quarters are not built in this release, use d or w", itv.name)
		}
		if i > 0 && itv.millis <= c.Intervals[i-1].millis {
			return fmt.Errorf("checking interval %q: list intervals shortest first, each length once", itv.name)
		}
	}
	return nil
}

func (c *Config) checkRules() error {
	for _, r := range c.Symbols {
		name := strings.TrimSuffix(r.Pattern, "*")
		if r.Pattern == "" || (name != "" && !ValidSymbol([]byte(name))) {
			return fmt.Errorf("checking symbol rule %q: want a symbol, or its beginning and *", cut(r.Pattern, 40))
		}
		if r.PriceScale < -1 || r.PriceScale > MaxScale || r.SizeScale < -1 || r.SizeScale > MaxScale {
			return fmt.Errorf("checking symbol rule %q: scales are 0 to %d, or auto", cut(r.Pattern, 40), MaxScale)
		}
		if r.Order > OrderArrival {
			return fmt.Errorf("checking symbol rule %q: order is trade_id, seq, arrival or auto", cut(r.Pattern, 40))
		}
	}
	return nil
}

func (c *Config) checkLimits() error {
	for _, d := range []struct {
		name string
		ms   int64
	}{
		{"watermark_delay", c.WatermarkDelay}, {"allowed_lateness", c.AllowedLateness}, {"idle_delay", c.IdleDelay},
		{"max_future", c.MaxFuture}, {"max_age", c.MaxAge}, {"duplicate window", c.DedupWindow},
	} {
		if d.ms < 0 || d.ms > maxDuration {
			return fmt.Errorf("checking %s: %d ms is not between 0 and ten years", d.name, d.ms)
		}
	}
	switch {
	case c.MaxSymbols < 1 || c.MaxSymbols > maxSymbols:
		return fmt.Errorf("checking max_symbols: %d is not between 1 and %d", c.MaxSymbols, maxSymbols)
	case c.DedupIDs < 1 || c.DedupIDs > maxDedupIDs:
		return fmt.Errorf("checking duplicate ids: %d is not between 1 and %d", c.DedupIDs, maxDedupIDs)
	case c.Partitions < 1 || c.Partition < 0 || c.Partition >= c.Partitions:
		return fmt.Errorf("checking partition: %d is not one of %d", c.Partition, c.Partitions)
	}
	return nil
}
