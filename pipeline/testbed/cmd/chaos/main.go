//go:build unix

// Command chaos runs a cluster, breaks it for a while and ends with 1 when anything that it published differs from what the trades say.
//
// Its work is in the package chaos; this is the command line of it. A seed repeats the plan of faults.
//
// A tool that is missing (kcat, redis-server, Java with the jars of Apache Kafka) makes it print "not run" and the reason; with CI=true in the
// environment that is a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/chaos"
)

func main() {
	var c chaos.Config
	var plan bool
	flag.StringVar(&c.Binary, "bin", os.Getenv("KLINE_BIN"), "the caddy to break; default: KLINE_BIN")
	flag.DurationVar(&c.Duration, "duration", 4*time.Minute, "how long faults go on")
	flag.Uint64Var(&c.Seed, "seed", 0, "of the plan and the trades; 0: a random one")
	flag.StringVar(&c.Delivery, "delivery", "transactional", "transactional, or idempotent with one node")
	flag.StringVar(&c.Source, "source", "", "kafka or embedded; default: kafka, with -delivery idempotent embedded")
	flag.IntVar(&c.Nodes, "nodes", 0, "Caddy processes; default: 3, with -delivery idempotent 1")
	flag.IntVar(&c.Symbols, "symbols", 40, "symbols; each has six series")
	flag.Float64Var(&c.Rate, "rate", 500, "trades a second")
	flag.IntVar(&c.Streams, "streams", 24, "clients of the stream")
	flag.StringVar(&c.Keep, "keep", "", "folder for the logs of a run that failed")
	flag.BoolVar(&plan, "plan", false, "print the plan of faults and run nothing")
	flag.Parse()
	zerolog.SetGlobalLevel(zerolog.Disabled) // parts of the proxy log past the logger they are given
	os.Exit(run(c, plan))
}

func run(c chaos.Config, plan bool) int {
	if c.Seed == 0 {
		c.Seed = rand.Uint64()>>1 + 1
	}
	c, err := c.WithDefaults()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 2
	}
	if plan {
		for _, f := range chaos.Plan(c) {
			fmt.Println(f)
		}
		return 0
	}
	fmt.Println("chaos: seed", c.Seed, "-", c.Command())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = chaos.Run(ctx, c, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	if missing, ok := errors.AsType[*chaos.MissingError](err); ok {
		fmt.Println(missing)
		if os.Getenv("CI") == "true" {
			return 1
		}
		return 0
	}
	if err != nil {
		fmt.Println("chaos: FAILED:", err)
		return 1
	}
	fmt.Println("chaos: nothing lost, nothing doubled, nothing wrong")
	return 0
}
