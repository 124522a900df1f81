package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// allocations counts what decoding and stepping allocate per trade once all symbols are known and all bars were closed before.
func (b *bench) allocations() error {
	const symbols, warm, counted = 1000, 400_000, 200_000
	generator, err := load.New(load.Config{Symbols: symbols, Rate: 268, Count: warm + counted, StartMS: 1_795_239_360_000, Seed: 2})
	if err != nil {
		return err
	}
	values := make([][]byte, 0, warm+counted)
	var stamps []int64
	for t, more := generator.Next(); more; t, more = generator.Next() {
		values = append(values, t.AppendJSON(nil))
		stamps = append(stamps, t.TS)
	}
	intervals, err := parseIntervals(sixIntervals)
	if err != nil {
		return err
	}
	engine, err := core.New(stepConfig(0, 1, intervals))
	if err != nil {
		return err
	}
	s := stepper{engine: engine, decoder: wire.NewDecoder(nil), values: values, stamps: stamps}
	for range warm {
		s.step()
	}
	per := testing.AllocsPerRun(counted-1, s.step) // it runs the function once more to warm up
	if s.err != nil {
		return fmt.Errorf("stepping: %w", s.err)
	}
	b.figure("decode_and_step_allocations_per_trade", per, "<=", 0)
	return nil
}

// stepper feeds one partition from memory, in batches of 1,000 as the worker does.
type stepper struct {
	engine  *core.Engine
	decoder *wire.Decoder
	values  [][]byte
	stamps  []int64
	at      int
	trades  []core.Trade
	out     core.Outputs
	err     error
}

var errRejected = errors.New("a trade was rejected")

func (s *stepper) step() {
	rec := core.Record{Offset: int64(s.at), Timestamp: s.stamps[s.at], Source: "ticks"}
	var err error
	if s.trades, err = s.decoder.Decode(s.values[s.at], s.trades[:0]); err == nil {
		err = s.engine.Trades(&rec, s.trades, &s.out)
	}
	if err == nil && len(s.out.Diverted) > 0 {
		err = errRejected
	}
	s.err = errors.Join(s.err, err)
	if s.at++; s.at%1000 == 0 {
		s.out.Reset()
	}
	s.out.Touched = s.out.Touched[:0]
}

func parseIntervals(names string) ([]core.Interval, error) {
	var out []core.Interval
	for name := range strings.FieldsSeq(names) {
		itv, err := core.ParseInterval(name)
		if err != nil {
			return nil, err
		}
		out = append(out, itv)
	}
	return out, nil
}
