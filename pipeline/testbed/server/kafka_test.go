//go:build unix

package server

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// kcat runs the independent client.
func kcat(t *testing.T, input string, args ...string) string {
	t.Helper()
	path := lookup(t, "kcat", "", "run scripts/install-test-deps.sh kcat")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running kcat %v: %v\n%s", args, err, errors.String())
	}
	return string(out)
}

func timed(t *testing.T, what string, do func()) {
	t.Helper()
	began := time.Now()
	do()
	t.Logf("%s: %v", what, time.Since(began).Round(10*time.Millisecond))
}

func TestKafkaKeepsAcknowledgedRecordsOverAKill(t *testing.T) {
	var k *Kafka
	timed(t, "format, start, ready", func() { k = StartKafka(t, KafkaConfig{}) })
	k.CreateTopic("ticks", 2, "retention.ms", "-1")
	var lines strings.Builder
	for i := range 1_000 {
		fmt.Fprintf(&lines, "%d\n", i)
	}
	timed(t, "kcat produces 1,000", func() {
		kcat(t, lines.String(), "-b", k.Addr(), "-P", "-t", "ticks", "-X", "enable.idempotence=true")
	})
	count := func() int {
		return strings.Count(kcat(t, "", "-b", k.Addr(), "-C", "-t", "ticks", "-o", "beginning", "-e", "-q", "-X", "isolation.level=read_committed"), "\n")
	}
	timed(t, "kcat reads 1,000", func() {
		if got := count(); got != 1_000 {
			t.Fatalf("kcat read %d records before the kill", got)
		}
	})
	k.Kill9(0)
	timed(t, "start, ready after kill -9", func() { k.Restart(0); k.WaitReady() })
	if got := count(); got != 1_000 {
		t.Errorf("kcat read %d records after the kill", got)
	}
	timed(t, "SIGTERM to exit", func() { k.Stop(0, patience) })
}

func TestThreeKafkaNodesGoOnWithOneKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: three brokers take 1 GB and half a minute, -short asks for less")
	}
	var k *Kafka
	timed(t, "format, start, ready of three", func() { k = StartKafka(t, KafkaConfig{Nodes: 3}) })
	k.CreateTopic("ticks", 3)
	k.Kill9(2)
	kcat(t, "a\nb\nc\n", "-b", k.Addr(), "-P", "-t", "ticks", "-X", "acks=all", "-X", "enable.idempotence=true")
	timed(t, "third node back", func() { k.Restart(2); k.WaitReady() })
	got := kcat(t, "", "-b", k.Addr(), "-C", "-t", "ticks", "-o", "beginning", "-e", "-q")
	if strings.Count(got, "\n") != 3 {
		t.Errorf("kcat read %q", got)
	}
}

func TestPropertiesOfTheTestReplaceThoseOfTheBed(t *testing.T) {
	k := &Kafka{config: KafkaConfig{Nodes: 1, Properties: map[string]string{"log.retention.ms": "5"}}}
	node := &kafkaNode{id: 1, port: 20001, controller: 20002, dir: "d"}
	k.nodes = []*kafkaNode{node}
	text := k.properties(node)
	if !strings.Contains(text, "log.retention.ms=5\n") || strings.Contains(text, "log.retention.ms=-1") {
		t.Errorf("properties:\n%s", text)
	}
}
