package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// contender is what a child that reads a topic was told.
type contender struct {
	space     space
	trades    int
	intervals []core.Interval
}

func (b *bench) contender(s space, intervals string, trades int) []string {
	return []string{
		"-addr", s.addr, "-topic", s.topic, "-group", s.group, "-prefix", s.prefix, "-dir", s.dir, "-intervals", intervals,
		"-trades", strconv.Itoa(trades),
	}
}

// runChild is this program as one contender. It prints one JSON object.
func runChild(name string, args []string) error {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	profile := flags.String("profile", "", "file of a CPU profile")
	measure, err := childOf(name, flags)
	if err != nil {
		return err
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return fmt.Errorf("making the profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("starting the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	out, err := measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func childOf(name string, flags *flag.FlagSet) (func() (any, error), error) {
	switch name {
	case "poll":
		return reader(flags, pollLoop), nil
	case "plain":
		return reader(flags, plainLoop), nil
	case "step":
		return reader(flags, stepLoop), nil
	case "whole":
		return reader(flags, wholeJob), nil
	case "idempotent":
		return reader(flags, idempotentJob), nil
	case "serving":
		return reader(flags, servingJob), nil
	case "wasm":
		return wasmChild(flags), nil
	case "guest":
		return guestChild(flags), nil
	case "streams":
		return streamsChild(flags), nil
	case "viewers":
		return viewersChild(flags), nil
	case "pace":
		return paceChild(flags), nil
	}
	return nil, fmt.Errorf("no contender is called %q", name)
}

// reader adds the flags of a contender that reads a topic.
func reader(flags *flag.FlagSet, run func(contender) (usage, error)) func() (any, error) {
	var c contender
	var intervals string
	flags.StringVar(&c.space.addr, "addr", "", "broker")
	flags.StringVar(&c.space.topic, "topic", "", "topic of trades")
	flags.StringVar(&c.space.group, "group", "", "consumer group")
	flags.StringVar(&c.space.prefix, "prefix", "", "prefix of the topics that are written")
	flags.StringVar(&c.space.dir, "dir", "", "data folder")
	flags.StringVar(&intervals, "intervals", "", "bar lengths, separated by spaces")
	flags.IntVar(&c.trades, "trades", 0, "number of trades in the topic")
	return func() (_ any, err error) {
		if c.intervals, err = parseIntervals(intervals); err != nil {
			return nil, err
		}
		return run(c)
	}
}
