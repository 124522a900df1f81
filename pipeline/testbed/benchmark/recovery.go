package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// tenIntervals make 10,000 series of 1,000 symbols.
const tenIntervals = "1s 1m 3m 5m 15m 30m 1h 4h 1d 1w"

// recovery measures from kill -9 to the first bar in progress that holds a trade of after the kill, with the state of 10,000 series to
// restore and trades arriving all the time. The same node comes back, so no session has to run out first.
func (b *bench) recovery() error {
	w := b.mainLoad()
	if err := b.topic(w); err != nil {
		return err
	}
	s, err := b.space(w.name)
	if err != nil {
		return err
	}
	ports, err := b.ports(1)
	if err != nil {
		return err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	config := fmt.Sprintf(`{
	admin off
	kline {
		source kafka {
			brokers %s
			topics %s
			group %s
			output_prefix %s
		}
		intervals %s
	}
}
%s {
	handle /v1/* {
		klines
	}
}
`, s.addr, s.topic, s.group, s.prefix, tenIntervals, base)
	site, err := b.serve(b.caddy, s.dir, config)
	if err != nil {
		return err
	}
	site.url = base
	if err := site.until("all trades", 3*time.Minute, func() bool { return site.applied() >= int64(w.trades) }); err != nil {
		return err
	}
	producer, err := b.accompany("pace", "-addr", s.addr, "-seconds", "120")
	if err != nil {
		return err
	}
	defer producer.end()
	var took []float64
	for round := range b.rounds {
		if _, err := b.liveTrade(site, base, time.Now()); err != nil {
			return err
		}
		time.Sleep(3 * time.Second)
		killed := time.Now()
		if err := site.cmd.Process.Kill(); err != nil {
			return fmt.Errorf("killing caddy: %w", err)
		}
		<-site.done
		if site, err = b.serve(b.caddy, s.dir, config); err != nil {
			return err
		}
		site.url = base
		d, err := b.liveTrade(site, base, killed)
		if err != nil {
			return err
		}
		say("round %d kill -9 to the first bar with a trade of after it: %.2f s", round+1, d.Seconds())
		took = append(took, d.Seconds())
	}
	b.figure("kill_to_first_live_bar_s", median(took), "<=", 3)
	_, err = site.stop()
	return err
}

// liveTrade waits for a bar in progress whose last trade was due after since, and returns how long that took from since.
func (b *bench) liveTrade(site *site, base string, since time.Time) (time.Duration, error) {
	query := base + "/v1/klines?" + url.Values{"sym": {paceSymbol(0)}, "itv": {"1s"}, "limit": {"1"}}.Encode()
	err := site.until("a trade of now", time.Minute, func() bool {
		var answer struct {
			Bars []struct {
				L     int64 `json:"L"`
				Final bool  `json:"final"`
			} `json:"bars"`
		}
		if get(query, &answer) != nil || len(answer.Bars) == 0 {
			return false
		}
		last := answer.Bars[len(answer.Bars)-1]
		return !last.Final && last.L > since.UnixNano()
	})
	if err != nil {
		return 0, fmt.Errorf("%w (query %s, since %s)", err, query, strconv.FormatInt(since.UnixNano(), 10))
	}
	return time.Since(since), nil
}
