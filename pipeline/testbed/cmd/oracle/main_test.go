//go:build unix

package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCommandFailsUntilTheKlinesAreThere publishes the only due kline of two trades, first not at all, then wrong, then right.
func TestCommandFailsUntilTheKlinesAreThere(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("not run: kcat is missing: run scripts/install-test-deps.sh kcat")
	}
	k := server.StartKafka(t, server.KafkaConfig{})
	for _, topic := range []string{"ticks", "x.klines", "x.late", "x.dlq"} {
		k.CreateTopic(topic, 1)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send := func(topic, position, value string) {
		t.Helper()
		record := &kgo.Record{Topic: topic, Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "so", Value: []byte(position)}, {Key: "sk", Value: []byte("0")}}}
		if err := client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, want bool) {
		t.Helper()
		began := time.Now()
		err := run(t.Context(), settings{brokers: k.Addr(), trades: "ticks", prefix: "x.", intervals: "1m", delay: 500, noRepeats: true})
		if (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
		t.Logf("%s: four topics read in %v", what, time.Since(began).Round(time.Millisecond))
	}
	check("no trades", true)
	send("ticks", "0", `{"symbol":"A","price":"10","size":"2","ts":60000,"id":1,"side":"buy"}`)
	send("ticks", "0", `{"symbol":"A","price":"11","size":"2","ts":120500,"id":2,"side":"buy"}`)
	check("kline missing", false)
	kline := `{"sym":"A","itv":"1m","t":60000,"T":119999,"o":"10","h":"10","l":"10","c":"10","v":"2","qv":"20","n":1,"bv":"2","bqv":"20","vwap":"10","f":1,"L":1,"final":true,"rev":0,"seq":1,"src":{"p":0,"o0":0,"o1":0}}`
	send("x.klines", "1", strings.Replace(kline, `"v":"2"`, `"v":"3"`, 1))
	check("kline wrong", false)
	send("x.klines", "2", strings.NewReplacer(`"rev":0`, `"rev":1`, `"seq":1`, `"seq":2`).Replace(kline))
	check("kline restated", true)
	send("x.klines", "2", kline)
	check("kline repeated with other bytes", false)
}
