package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// Bar lengths of the measurements. With secondBars nearly every trade of the main topic closes a bar.
const (
	sixIntervals = "1m 5m 15m 1h 4h 1d"
	secondBars   = "1s " + sixIntervals
)

// pipeline measures reading, windows, and the whole job against the two yardsticks.
func (b *bench) pipeline() error {
	w := b.mainLoad()
	if err := b.topic(w); err != nil {
		return err
	}
	runs := map[string][]usage{}
	order := []struct{ key, child, intervals string }{
		{"poll", "poll", sixIntervals}, {"step", "step", sixIntervals}, {"plain", "plain", sixIntervals}, {"whole", "whole", sixIntervals},
		{"serving", "serving", sixIntervals},
		{"plain+1s", "plain", secondBars}, {"step+1s", "step", secondBars}, {"whole+1s", "whole", secondBars},
		{"serving+1s", "serving", secondBars},
	}
	for round := range b.rounds {
		for _, c := range order {
			u, err := b.read(c.child, w, c.intervals)
			if err != nil {
				return err
			}
			say("round %d %-10s %5.0f ns CPU a trade, %4.2f M trades/s, %.3f klines and %.3f allocations a trade, peak RSS %d MB", round+1, c.key,
				cpuPerTrade(u), float64(u.Trades)/u.Wall.Seconds()/1e6, float64(u.Klines)/float64(u.Trades), float64(u.Mallocs)/float64(u.Trades), u.PeakRSS>>20)
			runs[c.key] = append(runs[c.key], u)
		}
	}
	b.figure("step_over_poll_throughput_ratio", ratioOf(runs["poll"], runs["step"], cpuPerTrade), ">=", 0.5)
	b.figure("whole_job_over_plain_loop_cpu_ratio", ratioOf(runs["whole"], runs["plain"], cpuPerTrade), "<=", 1.6)
	b.note("whole_job_with_view_over_plain_loop_cpu_ratio", ratioOf(runs["serving"], runs["plain"], cpuPerTrade))
	b.note("whole_job_over_plain_loop_cpu_ratio_1s", ratioOf(runs["whole+1s"], runs["plain+1s"], cpuPerTrade))
	b.note("poll_loop_cpu_ns_per_trade", medianOf(runs["poll"], cpuPerTrade))
	b.note("plain_loop_cpu_ns_per_trade", medianOf(runs["plain"], cpuPerTrade))
	b.note("whole_job_cpu_ns_per_trade", medianOf(runs["whole"], cpuPerTrade))
	b.note("whole_job_allocations_per_trade", medianOf(runs["whole"], func(u usage) float64 { return float64(u.Mallocs) / float64(u.Trades) }))
	b.figure("kline_written_ns", perKline(runs, "whole"), "<=", 900)
	b.note("kline_written_and_viewed_ns", perKline(runs, "serving"))
	return b.checkpointShare(w)
}

// read runs a contender over a topic.
func (b *bench) read(child string, w workload, intervals string) (usage, error) {
	var u usage
	s, err := b.space(w.name)
	if err != nil {
		return u, err
	}
	return u, b.child(&u, child, b.contender(s, intervals, w.trades)...)
}

// perKline is what a kline costs from its close to its acknowledgement: what the bars of a second add to the whole job, less what they
// add to the windows alone.
func perKline(runs map[string][]usage, job string) float64 {
	var values []float64
	for i := range runs[job] {
		whole, more := runs[job][i], runs[job+"+1s"][i]
		windows := runs["step+1s"][i].CPU - runs["step"][i].CPU
		values = append(values, float64(more.CPU-whole.CPU-windows)/float64(more.Klines-whole.Klines))
	}
	return median(values)
}

// checkpointShare profiles the whole job and asks how much of it made, packed and sent checkpoints.
func (b *bench) checkpointShare(w workload) error {
	var shares []float64
	for range b.rounds {
		s, err := b.space(w.name)
		if err != nil {
			return err
		}
		file := filepath.Join(s.dir, "cpu.pprof")
		var u usage
		if err := b.child(&u, "whole", append(b.contender(s, sixIntervals, w.trades), "-profile", file)...); err != nil {
			return err
		}
		share, err := profileShare(file, `heckpoint|\.[sS]napshot`)
		if err != nil {
			return err
		}
		shares = append(shares, share)
	}
	b.figure("checkpoint_cpu_share", median(shares), "<=", 0.05)
	return nil
}

var accountedFor = regexp.MustCompile(`accounting for [^,]+, ([0-9.]+)%`)

// profileShare is the share of samples with a function on their stack that matches focus.
func profileShare(file, focus string) (float64, error) {
	out, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=1000000", "-nodefraction=0", "-focus="+focus, file).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("reading a profile: %w\n%s", err, out)
	}
	found := accountedFor.FindSubmatch(out)
	if found == nil {
		return 0, fmt.Errorf("reading a profile: no share in %.200q", out)
	}
	share, err := strconv.ParseFloat(string(found[1]), 64)
	return share / 100, err
}
