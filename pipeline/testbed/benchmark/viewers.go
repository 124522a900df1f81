package main

import (
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"
)

// seen is how late the viewers saw trades, in ms.
type seen struct {
	Trades int64   `json:"trades"`
	Events int64   `json:"events"`
	P50    float64 `json:"p50"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// viewer is one stream of the forming bar of a symbol.
type viewer struct {
	*stream
	last    int64 // id of the newest trade seen: its due time in ns
	events  int64
	delays  []float64
	problem error
}

func viewersChild(flags *flag.FlagSet) func() (any, error) {
	addr := flags.String("addr", "", "host:port of the server")
	seconds := flags.Int("seconds", 5, "how long to look")
	return func() (any, error) {
		all := make([]*viewer, viewers)
		for i := range all {
			s, err := dial(*addr, "/v1/stream?s="+paceSymbol(i%paceSymbols)+"@1m")
			if err != nil {
				return nil, err
			}
			all[i] = &viewer{stream: s}
		}
		var work sync.WaitGroup
		// The first second is for the crowd to settle: the streams have just come, all at once.
		from := time.Now().Add(time.Second)
		until := from.Add(time.Duration(*seconds) * time.Second)
		for _, v := range all {
			work.Go(func() { v.problem = v.look(from, until) })
		}
		work.Wait()
		return sumOf(all)
	}
}

var errSawNothing = errors.New("a viewer saw no trade")

func sumOf(all []*viewer) (*seen, error) {
	var s seen
	var delays []float64
	for i, v := range all {
		if v.problem != nil {
			return nil, v.problem
		}
		if len(v.delays) == 0 {
			return nil, fmt.Errorf("%w: number %d", errSawNothing, i)
		}
		s.Trades += int64(len(v.delays))
		s.Events += v.events
		delays = append(delays, v.delays...)
	}
	s.P50, s.P99, s.Max = quantile(delays, 0.5), quantile(delays, 0.99), quantile(delays, 1)
	return &s, nil
}

// look reads until the end. An event shows the newest trade of the bar; all trades since the one before it became visible with it, so
// each counts with its own delay: the oldest of them waited longest.
func (v *viewer) look(from, until time.Time) error {
	for {
		if err := v.conn.SetReadDeadline(until.Add(5 * time.Second)); err != nil {
			return err
		}
		event, data, err := v.next()
		if err != nil {
			return fmt.Errorf("reading a stream: %w", err)
		}
		now := time.Now()
		if now.After(until) {
			return nil
		}
		newest := integer(data, `"L":`)
		if string(event) != "kline" || newest <= v.last {
			continue
		}
		if v.last > 0 && now.After(from) {
			v.events++
			for id := v.last + int64(paceStep); id <= newest; id += int64(paceStep) {
				v.delays = append(v.delays, float64(now.UnixNano()-id)/1e6)
			}
		}
		v.last = newest
	}
}
