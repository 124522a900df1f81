package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// The load of the latency figure.
const (
	paceRate    = 20_000 // trades a second
	paceSymbols = 20
	viewers     = 200
)

// latency measures from the moment when a trade was due at the producer to the event of the forming bar that contains it, in the whole
// binary with the embedded broker.
func (b *bench) latency() error {
	seconds := 8
	if b.quick {
		seconds = 4
	}
	var p50, p99 []float64
	for round := range b.rounds {
		v, err := b.watch(seconds)
		if err != nil {
			return err
		}
		say("round %d %d trades seen, %d events, p50 %.1f ms, p99 %.1f ms, max %.1f ms", round+1, v.Trades, v.Events, v.P50, v.P99, v.Max)
		p50, p99 = append(p50, v.P50), append(p99, v.P99)
	}
	b.note("trade_to_event_p50_ms", median(p50))
	b.figure("trade_to_event_p99_ms", median(p99), "<", 50)
	return nil
}

// watch is one round on a new data folder.
func (b *bench) watch(seconds int) (seen, error) {
	var v seen
	ports, err := b.ports(2)
	if err != nil {
		return v, err
	}
	b.next++
	home := filepath.Join(b.dir, fmt.Sprint("home-", b.next))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return v, fmt.Errorf("making a data folder: %w", err)
	}
	broker, addr := fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	site, err := b.serve(b.caddy, home, fmt.Sprintf(`{
	admin off
	kline {
		source embedded {
			listen %s
		}
	}
}
http://%s {
	handle /v1/stream {
		kline_stream {
			max_streams_per_ip 1000
		}
	}
	handle /v1/* {
		klines
	}
}
`, broker, addr))
	if err != nil {
		return v, err
	}
	if err := site.until("the server", 20*time.Second, func() bool {
		var st status
		return get("http://"+addr+"/v1/status", &st) == nil && st.Ready
	}); err != nil {
		return v, err
	}
	producer, err := b.accompany("pace", "-addr", broker, "-seconds", strconv.Itoa(seconds+30))
	if err != nil {
		return v, err
	}
	defer producer.end()
	if err := b.child(&v, "viewers", "-addr", addr, "-seconds", strconv.Itoa(seconds)); err != nil {
		return v, err
	}
	_, err = site.stop()
	return v, err
}
