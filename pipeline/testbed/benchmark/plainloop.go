package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// plainLoop is the program that one would write in an afternoon, and the yardstick of the whole job: it parses by hand, keeps floats,
// closes a bar when a trade of the next one comes, and writes it. No duplicate is dropped, no late trade is put right, nothing is
// remembered over a restart.
func plainLoop(c contender) (usage, error) {
	client, err := kgo.NewClient(append(reading(c.space.addr, c.space.topic), kgo.DefaultProduceTopic(c.space.prefix+"klines"))...)
	if err != nil {
		return usage{}, fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	l := plain{client: client, symbols: map[string]*plainSymbol{}}
	for _, itv := range c.intervals {
		l.intervals = append(l.intervals, plainInterval{itv.Name(), itv.Millis()})
	}
	m := newMeter()
	seen := 0
	for seen < c.trades {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return usage{}, fmt.Errorf("polling: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			l.trade(r.Value)
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return usage{}, fmt.Errorf("writing klines: %w", err)
	}
	u := m.stop()
	u.Trades, u.Klines = int64(seen), l.klines
	if bad := l.bad + l.failed.Load(); bad > 0 {
		return u, fmt.Errorf("%d trades or klines were lost", bad)
	}
	return u, nil
}

type plain struct {
	client    *kgo.Client
	intervals []plainInterval
	symbols   map[string]*plainSymbol
	klines    int64
	bad       int64
	failed    atomic.Int64
}

type plainInterval struct {
	name   string
	length int64 // ms
}

type plainSymbol struct {
	name string
	bars []plainBar
}

type plainBar struct {
	open                     int64
	o, h, l, c, volume, paid float64
	n                        int64
}

func (l *plain) trade(value []byte) {
	symbol, price, size, ts, err := parsePlain(value)
	if err != nil {
		l.bad++
		return
	}
	s := l.symbols[string(symbol)]
	if s == nil {
		s = &plainSymbol{name: string(symbol), bars: make([]plainBar, len(l.intervals))}
		l.symbols[s.name] = s
	}
	for i := range s.bars {
		b, length := &s.bars[i], l.intervals[i].length
		if open := ts - ts%length; open != b.open {
			if b.n > 0 {
				l.write(s, i)
			}
			*b = plainBar{open: open, o: price, h: price, l: price}
		}
		b.h, b.l, b.c = max(b.h, price), min(b.l, price), price
		b.volume += size
		b.paid += price * size
		b.n++
	}
}

func (l *plain) write(s *plainSymbol, i int) {
	b, itv := &s.bars[i], &l.intervals[i]
	v := make([]byte, 0, 256)
	v = append(append(v, `{"sym":"`...), s.name...)
	v = append(append(v, `","itv":"`...), itv.name...)
	v = strconv.AppendInt(append(v, `","t":`...), b.open, 10)
	for _, f := range [...]struct {
		key   string
		value float64
	}{{"o", b.o}, {"h", b.h}, {"l", b.l}, {"c", b.c}, {"v", b.volume}, {"qv", b.paid}} {
		v = append(append(append(v, `,"`...), f.key...), `":`...)
		v = strconv.AppendFloat(v, f.value, 'f', -1, 64)
	}
	v = append(strconv.AppendInt(append(v, `,"n":`...), b.n, 10), '}')
	l.klines++
	l.client.Produce(context.Background(), &kgo.Record{Key: []byte(s.name), Value: v}, func(_ *kgo.Record, err error) {
		if err != nil {
			l.failed.Add(1)
		}
	})
}

var errPlain = errors.New("reading a trade: not in the order of the generator")

// parsePlain reads the fields in the one order that the generator writes.
func parsePlain(v []byte) (symbol []byte, price, size float64, ts int64, err error) {
	if symbol, v, err = between(v, `{"symbol":"`, '"'); err != nil {
		return
	}
	var text []byte
	if text, v, err = between(v, `,"price":"`, '"'); err != nil {
		return
	}
	if price, err = strconv.ParseFloat(string(text), 64); err != nil {
		return
	}
	if text, v, err = between(v, `,"size":"`, '"'); err != nil {
		return
	}
	if size, err = strconv.ParseFloat(string(text), 64); err != nil {
		return
	}
	if text, _, err = between(v, `,"ts":`, ','); err != nil {
		return
	}
	ts, err = strconv.ParseInt(string(text), 10, 64)
	return
}

// between returns what follows the prefix of v up to end, and what comes after it.
func between(v []byte, prefix string, end byte) (field, rest []byte, err error) {
	v, ok := bytes.CutPrefix(v, []byte(prefix))
	at := bytes.IndexByte(v, end)
	if !ok || at < 0 {
		return nil, nil, errPlain
	}
	return v[:at], v[at+1:], nil
}
