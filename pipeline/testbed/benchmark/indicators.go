package main

import (
	"fmt"
	"strings"
	"time"
)

// elevenValues have one output each, so that an instance is a value. The first one alone is the base: it pays for loading the module.
var elevenValues = []string{
	"sma(20)", "sma(50)", "sma(100)", "ema(20)", "ema(50)", "ema(100)", "wma(20)", "wma(50)", "rsi(14)", "atr(14)", "obv",
}

// builtins are the eleven indicators with their defaults.
var builtins = []string{"sma", "ema", "wma", "rsi", "macd", "bbands", "atr", "stoch", "kdj", "vwap", "obv"}

// indicators measures what values add to the whole job of the built binary, and that windows do not matter.
func (b *bench) indicators() error {
	w := b.barLoad()
	if err := b.topic(w); err != nil {
		return err
	}
	sets := []struct {
		key     string
		compute []string
	}{
		{"one", elevenValues[:1]}, {"eleven", elevenValues}, {"default", nil}, {"builtins", builtins},
		{"short", []string{"sma(20)", "sma(21)", "sma(22)", "sma(23)"}},
		{"long", []string{"sma(2000)", "sma(2001)", "sma(2002)", "sma(2003)"}},
	}
	runs := map[string][]usage{}
	for round := range b.rounds + 1 { // round 0 compiles the module into the cache and does not count
		for _, set := range sets {
			u, err := b.wholeBinary(w, secondBars, set.compute, "")
			if err != nil {
				return err
			}
			if round == 0 {
				break
			}
			say("round %d %-8s %5.0f ns CPU a trade, %.2f klines a trade, peak RSS %d MB", round, set.key, cpuPerTrade(u), float64(u.Klines)/float64(u.Trades), u.PeakRSS>>20)
			runs[set.key] = append(runs[set.key], u)
		}
	}
	var perValue []float64
	for i, eleven := range runs["eleven"] {
		values := float64(len(elevenValues)-1) * float64(eleven.Klines)
		perValue = append(perValue, float64(eleven.CPU-runs["one"][i].CPU)/values)
	}
	b.figure("indicator_value_ns", median(perValue), "<=", 80)
	b.figure("sma_2000_over_sma_20_cpu_per_trade_ratio", ratioOf(runs["long"], runs["short"], cpuPerTrade), "<=", 1.1)
	b.note("eleven_indicators_cpu_ns_per_trade", medianOf(runs["builtins"], cpuPerTrade))
	b.note("eleven_indicators_over_default_four_cpu_ratio", ratioOf(runs["builtins"], runs["default"], cpuPerTrade))
	return nil
}

// wholeBinary lets the built Caddy work off a topic from its start and returns what its process spent from birth to end.
func (b *bench) wholeBinary(w workload, intervals string, compute []string, more string) (usage, error) {
	s, err := b.space(w.name)
	if err != nil {
		return usage{}, err
	}
	ports, err := b.ports(2)
	if err != nil {
		return usage{}, err
	}
	admin := "off"
	if b.profile != "" {
		admin = fmt.Sprintf("127.0.0.1:%d", ports[1])
	}
	if len(compute) > 0 {
		more += "\n\t\tindicators {\n\t\t\tcompute " + strings.Join(compute, " ") + "\n\t\t}"
	}
	site, err := b.serve(b.caddy, b.dir, fmt.Sprintf(`{
	admin %s
	kline {
		source kafka {
			brokers %s
			topics %s
			group %s
			output_prefix %s
		}
		node bench
		intervals %s
		%s
	}
}
http://127.0.0.1:%d {
	handle /v1/* {
		klines
	}
}
`, admin, s.addr, s.topic, s.group, s.prefix, intervals, more, ports[0]))
	if err != nil {
		return usage{}, err
	}
	site.url = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	began := time.Now()
	profiled := b.profileSite(admin)
	if err := site.until("all trades", 3*time.Minute, func() bool {
		time.Sleep(20 * time.Millisecond) // asking costs the process we measure
		return site.applied() >= int64(w.trades)
	}); err != nil {
		return usage{}, err
	}
	wall := time.Since(began)
	if err := profiled(); err != nil {
		return usage{}, err
	}
	u, err := site.stop()
	if err != nil {
		return u, err
	}
	u.Wall, u.Trades = wall, int64(w.trades)
	u.Klines, err = s.klines(b.bed.Context())
	return u, err
}

// memory measures the peak of the built binary while it catches up as fast as it can, which is its worst time.
func (b *bench) memory() error {
	const view = 16 // MiB, taken off the peak: it is the one part whose size is the operator's choice
	w := b.mainLoad()
	if err := b.topic(w); err != nil {
		return err
	}
	var peaks []float64
	for range b.rounds {
		u, err := b.wholeBinary(w, sixIntervals, nil, fmt.Sprintf("view_memory %dMiB", view))
		if err != nil {
			return err
		}
		say("peak RSS %d MB, %.0f ns CPU a trade", u.PeakRSS/1e6, cpuPerTrade(u))
		peaks = append(peaks, float64(u.PeakRSS)/1e6-view*1.048576)
	}
	b.figure("peak_rss_mb_without_view", median(peaks), "<=", 200)
	return nil
}
