//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/load"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

func produce(t *testing.T, s settings) result {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), s, &out); err != nil {
		t.Error(err)
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Error(err)
	}
	t.Logf("%s", out.Bytes())
	return r
}

func readBack(t *testing.T, brokers, topic string) oracle.Input {
	t.Helper()
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("not run: kcat is missing: run scripts/install-test-deps.sh kcat")
	}
	var in oracle.Input
	began := time.Now()
	if err := oracle.Kcat(t.Context(), brokers, topic, in.Add); err != nil {
		t.Fatal(err)
	}
	t.Logf("kcat read %d trades in %v", len(in.Trades), time.Since(began).Round(time.Millisecond))
	return in
}

// TestEveryTradeIsReadBackByTheOtherClient goes the way of a crash test without the engine: made-up trades through a broker that is
// killed in the middle, read by kcat, summed by the oracle.
func TestEveryTradeIsReadBackByTheOtherClient(t *testing.T) {
	k := server.StartKafka(t, server.KafkaConfig{})
	k.CreateTopic("ticks", 4)
	s := settings{brokers: k.Addr(), topic: "ticks", load: load.Config{Symbols: 20, Rate: 5_000, Count: 15_000, DisorderMS: 300, Repeats: 0.1, Seed: 4}}
	var sent result
	var sending sync.WaitGroup
	sending.Go(func() { sent = produce(t, s) })
	<-time.After(time.Second) // in the middle of three seconds of load
	k.Kill9(0)
	k.Restart(0)
	k.WaitReady()
	sending.Wait()
	if sent.Acked != sent.Sent || sent.Failed != 0 || sent.Sent != 15_000+sent.Repeats || sent.Repeats < 1_000 {
		t.Fatalf("sent %+v", sent)
	}
	in := readBack(t, k.Addr(), "ticks")
	if int64(len(in.Trades)) < sent.Acked || len(in.Bad) > 0 {
		t.Fatalf("read %d trades, %d bad, %d were acknowledged", len(in.Trades), len(in.Bad), sent.Acked)
	}
	day, err := oracle.ParseInterval("1d")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, bar := range oracle.Bars(in.Trades, oracle.Options{Intervals: []oracle.Interval{day}}) {
		total += bar.N
	}
	if total != 15_000 {
		t.Errorf("the klines of a day have %d trades, want 15000", total)
	}
}

func TestFilesAreReplayedWhole(t *testing.T) {
	file := filepath.Join(marketdata.Folder(t), "crypto", "binance_XRPETH_2019-10-11_trades.json.gz")
	k := server.StartKafka(t, server.KafkaConfig{})
	k.CreateTopic("ticks", 1)
	sent := produce(t, settings{brokers: k.Addr(), topic: "ticks", file: file})
	in := readBack(t, k.Addr(), "ticks")
	if sent.Acked != 12_477 || len(in.Trades) != 12_477 || in.Trades[0].ID != "13519807" {
		t.Errorf("sent %+v, read %d", sent, len(in.Trades))
	}
	if err := run(t.Context(), settings{brokers: k.Addr(), topic: "ticks", file: "trades.txt"}, &bytes.Buffer{}); err == nil {
		t.Error("a file of unknown kind was taken")
	}
}
