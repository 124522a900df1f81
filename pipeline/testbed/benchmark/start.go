package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var (
	address = regexp.MustCompile(`(?m)^:8080 \{$`)
	source  = regexp.MustCompile(`(?m)^\t\tsource embedded$`)
)

// start measures from exec to the first candle of the shipped Caddyfile: on an empty data folder, and again on the log that the first
// run left behind.
func (b *bench) start() error {
	shipped, err := os.ReadFile(filepath.Join(b.root, "Caddyfile"))
	if err != nil {
		return fmt.Errorf("reading the shipped Caddyfile: %w", err)
	}
	if !address.Match(shipped) || !source.Match(shipped) {
		return fmt.Errorf("reading the shipped Caddyfile: no line %q or %q to put other ports in", address, source)
	}
	var first, again []float64
	for round := range b.rounds {
		b.next++
		home := filepath.Join(b.dir, fmt.Sprint("home-", b.next))
		if err := os.MkdirAll(home, 0o700); err != nil {
			return fmt.Errorf("making a data folder: %w", err)
		}
		fresh, err := b.firstCandle(string(shipped), home)
		if err != nil {
			return err
		}
		restarted, err := b.firstCandle(string(shipped), home)
		if err != nil {
			return err
		}
		say("round %d first start %.2f s, restart with its log %.2f s", round+1, fresh, restarted)
		first, again = append(first, fresh), append(again, restarted)
	}
	b.figure("start_to_first_candle_s", median(first), "<", 3)
	b.figure("restart_to_first_candle_s", median(again), "<", 3)
	return nil
}

// firstCandle starts the shipped configuration on other ports and returns the seconds to an answer with a candle in it. Then it lets
// the feed run on for a moment and stops in order.
func (b *bench) firstCandle(config, home string) (float64, error) {
	ports, err := b.ports(2)
	if err != nil {
		return 0, err
	}
	config = source.ReplaceAllString(config, fmt.Sprintf("\t\tsource embedded {\n\t\t\tlisten 127.0.0.1:%d\n\t\t}", ports[0]))
	config = address.ReplaceAllString(config, fmt.Sprintf("http://127.0.0.1:%d {", ports[1]))
	config = strings.Replace(config, "{\n", "{\n\tadmin off\n", 1)
	began := time.Now()
	site, err := b.serve(b.caddy, home, config)
	if err != nil {
		return 0, err
	}
	query := url.Values{"sym": {"BTCUSD"}, "itv": {"1m"}, "limit": {"1"}}.Encode()
	if err := site.until("a candle", 30*time.Second, func() bool {
		var answer struct {
			Bars []any `json:"bars"`
		}
		return get(fmt.Sprintf("http://127.0.0.1:%d/v1/klines?%s", ports[1], query), &answer) == nil && len(answer.Bars) > 0
	}); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	time.Sleep(2 * time.Second) // the feed goes on: the next start finds a log worth the name
	_, err = site.stop()
	return took, err
}
