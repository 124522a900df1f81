package main

import (
	"errors"
	"flag"
	"fmt"
	"sync"
	"time"
)

// crowd is what all subscribers of one topic saw together.
type crowd struct {
	Events    int64         `json:"events"`
	Bytes     int64         `json:"bytes"`
	Reads     int64         `json:"reads"`
	P50       float64       `json:"p50"` // ms from the send time in the payload to the client
	P99       float64       `json:"p99"`
	Connected time.Duration `json:"connected"` // from the first dial to the first event of the last
}

// member is one subscriber. It ends at the event with number last.
type member struct {
	*stream
	seq     int64
	events  int64
	delays  []float64
	problem error
}

func streamsChild(flags *flag.FlagSet) func() (any, error) {
	addr := flags.String("addr", "", "host:port of the server")
	path := flags.String("path", "", "path and query of the stream")
	n := flags.Int("n", 100, "number of streams")
	last := flags.Int64("last", 0, "seq of the last event")
	return func() (any, error) {
		began := time.Now()
		members := make([]*member, *n)
		for i := range members {
			s, err := dial(*addr, *path)
			if err != nil {
				return nil, err
			}
			if _, _, err := s.next(); err != nil {
				return nil, fmt.Errorf("reading the first event of a stream: %w", err)
			}
			members[i] = &member{stream: s}
		}
		c := crowd{Connected: time.Since(began)}
		fmt.Println(ready)
		var all sync.WaitGroup
		for _, m := range members {
			m.bytes, m.reads = 0, 0
			all.Go(func() { m.problem = m.follow(*last) })
		}
		all.Wait()
		return c.sum(members)
	}
}

func (c *crowd) sum(members []*member) (*crowd, error) {
	var delays []float64
	for _, m := range members {
		if m.problem != nil {
			return nil, m.problem
		}
		c.Events += m.events
		c.Bytes += m.bytes
		c.Reads += m.reads
		delays = append(delays, m.delays...)
	}
	c.P50, c.P99 = quantile(delays, 0.5), quantile(delays, 0.99)
	return c, nil
}

var errGap = errors.New("a stream has a gap")

// follow reads until the last event and demands that none is missing or doubled.
func (m *member) follow(last int64) error {
	for m.seq < last {
		if err := m.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		event, data, err := m.next()
		if err != nil {
			return fmt.Errorf("reading a stream after seq %d of %d: %w", m.seq, last, err)
		}
		if string(event) != "kline" {
			continue
		}
		seq := integer(data, `"seq":`)
		if seq != m.seq+1 && m.seq > 0 {
			return fmt.Errorf("%w: seq %d after %d", errGap, seq, m.seq)
		}
		m.seq = seq
		m.events++
		m.delays = append(m.delays, float64(time.Now().UnixNano()-integer(data, `"L":`))/1e6)
	}
	return nil
}
