// Command oracle reads the trades and the klines of a Kafka with kcat, recomputes every kline and says what differs. It ends with 1
// when a kline is lost, doubled or wrong.
//
// Its work is in the package oracle; this is the command line of it.
//
// It does not look at REST, Redis or streams: the suites that start those compare them.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

type settings struct {
	brokers, trades, prefix, intervals, order string
	delay                                     int64
	allClosed, noRepeats                      bool
}

func main() {
	var s settings
	flag.StringVar(&s.brokers, "brokers", "127.0.0.1:9092", "host:port list")
	flag.StringVar(&s.trades, "trades", "ticks", "topic of the trades")
	flag.StringVar(&s.prefix, "prefix", "", "output_prefix of the engine, in front of klines, late and dlq")
	flag.StringVar(&s.intervals, "intervals", "1m", "intervals, separated by commas")
	flag.StringVar(&s.order, "order", "", "trade_id, seq or arrival; empty: as the engine decides by itself")
	flag.Int64Var(&s.delay, "delay", 500, "watermark_delay of the engine, ms")
	flag.BoolVar(&s.allClosed, "closed", false, "every kline must be closed, also the newest")
	flag.BoolVar(&s.noRepeats, "norepeats", false, "a repeated record is a fault (delivery transactional)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	options := oracle.Options{Order: s.order, WatermarkDelayMS: s.delay, AllClosed: s.allClosed, Refused: map[oracle.Place]string{}}
	for name := range strings.SplitSeq(s.intervals, ",") {
		interval, err := oracle.ParseInterval(name)
		if err != nil {
			return err
		}
		options.Intervals = append(options.Intervals, interval)
	}
	var input oracle.Input
	if err := oracle.Kcat(ctx, s.brokers, s.trades, input.Add); err != nil {
		return err
	}
	for _, topic := range []string{"late", "dlq"} {
		var refused oracle.Refused
		if err := oracle.Kcat(ctx, s.brokers, s.prefix+topic, refused.Add); err != nil {
			return err
		}
		maps.Copy(options.Refused, refused.Places)
	}
	var klines oracle.Reader
	if err := oracle.Kcat(ctx, s.brokers, s.prefix+"klines", klines.Add); err != nil {
		return err
	}
	report := oracle.Compare(&klines, oracle.Bars(input.Trades, options))
	fmt.Printf("trades %d heartbeats %d bad %d refused %d\n%s\n", len(input.Trades), input.Heartbeats, len(input.Bad), len(options.Refused), report)
	if s.noRepeats && report.Repeats > 0 {
		return fmt.Errorf("comparing: %d repeated records where none may be", report.Repeats)
	}
	if report.Err() != nil {
		return fmt.Errorf("comparing: the klines are not those of the trades")
	}
	return nil
}
