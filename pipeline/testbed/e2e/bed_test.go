package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// place is where a bed runs: its brokers, and how the Caddyfile names them.
type place interface {
	// source is the Caddyfile's source block, store its store block.
	source() string
	store() string
	brokers() string
	// topics of this bed.
	topic(name string) string
	partitions() int32
	// ports that must refuse after the node was killed.
	own() []string
	// prepare makes what must exist before the node starts.
	prepare(t *testing.T)
}

// bed is one running node.
type bed struct {
	t     *testing.T
	place place
	node  *server.Binary
	http  string
	words string // further words of the kline block
}

func start(t *testing.T, p place, words string) *bed {
	t.Helper()
	return startBinary(t, p, words, os.Getenv("KLINE_BIN"))
}

// startBinary starts a node of another program, or with more in its environment.
func startBinary(t *testing.T, p place, words, path string, env ...string) *bed {
	t.Helper()
	b := launch(t, p, words, path, env...)
	b.ready()
	return b
}

// launch is startBinary for a node that may have to wait before it is ready.
func launch(t *testing.T, p place, words, path string, env ...string) *bed {
	t.Helper()
	p.prepare(t)
	ports := server.FreePorts(t, 2)
	b := &bed{t: t, place: p, http: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), words: words}
	config := fmt.Sprintf("{\n\tadmin 127.0.0.1:%d\n\tkline {\n\t\t%s\n\t\t%s\n\t\t%s\n\t}\n}\n%s {\n\thandle /v1/stream {\n\t\tkline_stream\n\t}\n\thandle /v1/* {\n\t\tklines {\n\t\t\trate 100000 100000\n\t\t}\n\t}\n}\n",
		ports[1], p.source(), p.store(), words, b.http)
	b.node = server.StartBinary(t, server.BinaryConfig{Path: path, Config: config, Env: env})
	return b
}

// patience is how long what must come is waited for. It is no measure of the
// node: it tells one that hangs from one that is slow, however busy the machine.
const patience = time.Minute

func (b *bed) ready() {
	b.t.Helper()
	b.node.WaitURL(b.http+"/v1/health", patience)
}

// kill ends the node with SIGKILL and asserts that it is gone.
func (b *bed) kill() {
	b.t.Helper()
	b.node.Kill9(append(b.place.own(), strings.TrimPrefix(b.http, "http://"))...)
}

// kcat produces lines of "key TAB value" as any librdkafka program would.
func (b *bed) kcat(lines string, args ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	args = append([]string{"-b", b.place.brokers(), "-P", "-t", b.place.topic("ticks"), "-K", "\t",
		"-X", "enable.idempotence=true", "-X", "queue.buffering.max.messages=1000000"}, args...)
	cmd := exec.CommandContext(ctx, "kcat", args...)
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("producing with kcat: %v\n%.500s", err, out)
	}
}

// heartbeat tells every partition that event time has reached ts.
func (b *bed) heartbeat(source string, ts int64) {
	b.t.Helper()
	value := fmt.Sprintf(`{"src":%q,"ts":%d,"up":true}`, source, ts)
	for p := range b.place.partitions() {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, "kcat", "-b", b.place.brokers(), "-P", "-t", b.place.topic("ticks"), "-p", fmt.Sprint(p), "-H", "k=hb")
		cmd.Stdin = strings.NewReader(value)
		out, err := cmd.CombinedOutput()
		cancel()
		if err != nil {
			b.t.Fatalf("producing a heartbeat with kcat: %v\n%.500s", err, out)
		}
	}
}

// rss is what the node occupies, in bytes.
func (b *bed) rss() int64 {
	b.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.node.PID()))
	if err != nil {
		b.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return n << 10
}

// status is the part of /v1/status that tests look at.
type status struct {
	Ready      bool     `json:"ready"`
	Reasons    []string `json:"reasons"`
	Degraded   []string `json:"degraded"`
	Cluster    string   `json:"cluster"`
	Partitions []struct {
		Partition int32  `json:"partition"`
		State     string `json:"state"`
		Next      int64  `json:"next"`
		Lag       int64  `json:"lag"`
	} `json:"partitions"`
}

func (b *bed) status() status {
	b.t.Helper()
	var s status
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.http+"/v1/status", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		b.t.Fatalf("reading /v1/status: %v", err)
	}
	return s
}

// mapping is the version of the mapping, which names the view's keys.
func (b *bed) mapping() string { return b.status().Cluster }

// logs is everything that stands on the topics.
type logs struct {
	input   oracle.Input
	klines  oracle.Reader
	refused map[oracle.Place]string
	reasons map[string]int
}

func (b *bed) read() *logs {
	b.t.Helper()
	l := &logs{reasons: map[string]int{}}
	late, dead := oracle.Refused{}, oracle.Refused{}
	for _, topic := range []struct {
		name string
		each func(oracle.Record) error
	}{
		{b.place.topic("ticks"), l.input.Add},
		{b.place.topic("klines"), l.klines.Add},
		{b.place.topic("late"), late.Add},
		{b.place.topic("dlq"), dead.Add},
	} {
		if err := oracle.Kcat(b.t.Context(), b.place.brokers(), topic.name, topic.each); err != nil {
			b.t.Fatal(err)
		}
	}
	l.refused = map[oracle.Place]string{}
	for _, places := range []map[oracle.Place]string{late.Places, dead.Places} {
		for at, why := range places {
			l.refused[at] = why
			l.reasons[why]++
		}
	}
	return l
}

// eventually waits until ok, as long as patience lasts, and tells whether it came
// to that.
func eventually(ok func() bool) bool {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// ends are the offsets behind the last record of each partition of the input.
func (b *bed) ends() map[int32]int64 {
	b.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(b.place.brokers(), ",")...))
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	topic := b.place.topic("ticks")
	listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		b.t.Fatalf("asking where %s ends: %v", topic, err)
	}
	ends := map[int32]int64{}
	for p, end := range listed[topic] {
		ends[p] = end.Offset
	}
	return ends
}

// groups says who has joined and who has which partitions, as the brokers see it.
func (b *bed) groups() string {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(b.place.brokers(), ",")...))
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	all, err := kadm.NewClient(client).DescribeGroups(ctx)
	return fmt.Sprintf("%+v %v", all, err)
}

// settle waits until the node has processed all that is on the input now. Its own
// word for that is not enough: it knows of new records only when it has fetched
// them, which a busy machine may put off.
func (b *bed) settle(limit time.Duration) {
	b.t.Helper()
	deadline := time.Now().Add(limit)
	ends := b.ends()
	for calm := 0; calm < 3; time.Sleep(100 * time.Millisecond) {
		s := b.status()
		calm++
		for _, p := range s.Partitions {
			if p.State != "running" || p.Lag > 0 || p.Next < ends[p.Partition] {
				calm = 0
			}
		}
		if len(s.Partitions) == 0 {
			calm = 0
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the node did not catch up within %s with %v: %+v\ngroups: %s", limit, ends, s, b.groups())
		}
	}
}

// intervals parses names for the oracle.
func intervals(t *testing.T, names ...string) []oracle.Interval {
	t.Helper()
	var is []oracle.Interval
	for _, n := range names {
		i, err := oracle.ParseInterval(n)
		if err != nil {
			t.Fatal(err)
		}
		is = append(is, i)
	}
	return is
}

var allIntervals = []string{"1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"}
