package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	childDir    = "KLINE_TEST_BROKER_DIR"
	childListen = "KLINE_TEST_BROKER_LISTEN"
)

// TestMain turns the test binary into a broker process when a test asks for one.
func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	b, err := Start(Config{
		DataDir: dir, Listen: os.Getenv(childListen),
		Topics: []Topic{{Name: "ticks", Configs: map[string]string{"segment.bytes": "1048576"}}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer b.Close()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent goes away
}

// child is a broker in a process of its own, to be killed.
type child struct {
	cmd *exec.Cmd
	in  io.Closer
}

func startChild(t testing.TB, dir, listen string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childListen+"="+listen)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "ready\n" {
		t.Fatalf("the broker process did not start: %q, %v", line, err)
	}
	return &child{cmd: cmd, in: in}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill() // SIGKILL; gone already is fine
	_ = c.cmd.Wait()         // reports the kill
	c.in.Close()
}

// freePort is below the ports that the system gives to others: it is free while the broker
// is dead, and whoever dials then, our own client among them, may be given it.
func freePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(10_000))))
		if err != nil {
			continue
		}
		defer ln.Close()
		return ln.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// acked collects the values a producer got an acknowledgement for.
type acked struct {
	mu   sync.Mutex // protects vals and errs
	vals []string
	errs []error
}

// flood produces numbered records until ctx ends and waits for their outcome.
func flood(ctx context.Context, cl *kgo.Client, a *acked) {
	for i := 0; ctx.Err() == nil; i++ {
		cl.Produce(context.Background(), kgo.KeySliceRecord([]byte("k"), fmt.Appendf(nil, "kgo-%08d", i)), func(r *kgo.Record, err error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			if err != nil {
				a.errs = append(a.errs, err)
				return
			}
			a.vals = append(a.vals, string(r.Value))
		})
		if i%50 == 49 {
			time.Sleep(time.Millisecond)
		}
	}
	flush, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = cl.Flush(flush) // what is not flushed is not in acked
}

// Bet: a record that was acknowledged outlives a kill -9 of the broker at any
// instant, for our client and for librdkafka.
func TestKilledBrokerLosesNothingAcknowledged(t *testing.T) {
	kills := 10
	dir, listen := t.TempDir(), freePort(t)
	c := startChild(t, dir, listen)
	defer func() { c.kill() }()
	cl, err := kgo.NewClient(kgo.SeedBrokers(listen), kgo.DefaultProduceTopic("ticks"), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var a acked
	flooded := make(chan struct{})
	go func() { defer close(flooded); flood(ctx, cl, &a) }()
	foreign := startKcat(t, ctx, listen)
	for range kills {
		time.Sleep(400 * time.Millisecond)
		c.kill()
		c = startChild(t, dir, listen)
	}
	time.Sleep(300 * time.Millisecond)
	cancel()
	<-flooded
	wanted := foreign()
	c.kill() // and read what a restart finds
	c = startChild(t, dir, listen)
	seen := readAll(t, listen)
	check(t, "kgo", a.vals, seen)
	check(t, "kcat", wanted, seen)
	t.Logf("%d kills: %d acknowledged by kgo (%d failed), %d by kcat, %d records on the log", kills, len(a.vals), len(a.errs), len(wanted), len(seen))
}

// startKcat feeds numbered lines to a kcat producer until ctx ends. The returned
// function waits for kcat, which succeeds only if all of them are acknowledged.
func startKcat(t *testing.T, ctx context.Context, listen string) func() []string {
	t.Helper()
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Log("not run: the part with librdkafka, kcat is missing (apt-get install kcat)")
		return func() []string { return nil }
	}
	cmd := exec.Command("kcat", "-E", "-b", listen, "-P", "-t", "ticks", "-X", "acks=all", "-X", "enable.idempotence=true",
		"-X", "linger.ms=5", "-X", "reconnect.backoff.max.ms=200")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		defer in.Close()
		for i := 0; ctx.Err() == nil; i++ {
			line := fmt.Sprintf("kcat-%08d", i)
			if _, err := io.WriteString(in, line+"\n"); err != nil {
				return
			}
			lines = append(lines, line)
			if i%20 == 19 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	return func() []string {
		<-fed
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("kcat gave up: %v\n%s", err, tail(out.String()))
		}
		return lines
	}
}

func tail(s string) string {
	if len(s) > 1000 {
		return s[len(s)-1000:]
	}
	return s
}

func readAll(t *testing.T, listen string) []string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(listen), kgo.ConsumeTopics("ticks"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, end := endOf(t, cl, "ticks")
	var seen []string
	for next := int64(0); next < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen = append(seen, string(r.Value))
			next = r.Offset + 1
		})
	}
	return seen
}

// check counts what is missing, twice, or behind a later one.
func check(t *testing.T, producer string, wanted, seen []string) {
	t.Helper()
	count := map[string]int{}
	newest, reordered := "", 0
	for _, v := range seen {
		if !strings.HasPrefix(v, producer+"-") {
			continue
		}
		if v < newest && count[v] == 0 {
			reordered++
		}
		newest = max(newest, v)
		count[v]++
	}
	missing, doubled := 0, 0
	for _, v := range wanted {
		switch n := count[v]; {
		case n == 0:
			missing++
		case n > 1:
			doubled++
		}
	}
	if missing > 0 {
		t.Errorf("%s: %d of %d acknowledged records are missing", producer, missing, len(wanted))
	}
	t.Logf("%s: %d acknowledged, %d twice, %d out of order", producer, len(wanted), doubled, reordered)
}
