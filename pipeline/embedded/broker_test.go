package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// lines collects what the broker logs.
type lines struct {
	mu   sync.Mutex // protects text
	text []string
}

func (l *lines) add(msg string, kv ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, fmt.Sprint(append([]any{msg}, kv...)...))
}
func (l *lines) Info(msg string, kv ...any)  { l.add(msg, kv...) }
func (l *lines) Warn(msg string, kv ...any)  { l.add(msg, kv...) }
func (l *lines) Error(msg string, kv ...any) { l.add(msg, kv...) }

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{
		DataDir: filepath.Join(t.TempDir(), "broker"), Listen: "127.0.0.1:0", Log: &lines{},
		Topics: []Topic{{Name: "ticks", Configs: map[string]string{"cleanup.policy": "delete"}}},
	}
}

func mustStart(t *testing.T, cfg Config) *Broker {
	t.Helper()
	b, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func client(t *testing.T, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addr()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func produce(t *testing.T, cl *kgo.Client, topic string, n int) {
	t.Helper()
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "%08d", i)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func endOf(t *testing.T, cl *kgo.Client, topic string) (start, end int64) {
	t.Helper()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := starts.Lookup(topic, 0)
	e, _ := ends.Lookup(topic, 0)
	return s.Offset, e.Offset
}

func TestRecordsAndIdentityOutliveARestart(t *testing.T) {
	cfg := testConfig(t)
	b := mustStart(t, cfg)
	cl := client(t, b)
	produce(t, cl, "ticks", 100)
	meta, err := kadm.NewClient(cl).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	b.Close()
	t.Logf("closing took %v", time.Since(began))
	b = mustStart(t, cfg)
	cl = client(t, b)
	if _, end := endOf(t, cl, "ticks"); end != 100 {
		t.Errorf("after a restart the topic ends at %d, want 100", end)
	}
	again, err := kadm.NewClient(cl).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if meta.Cluster != again.Cluster || len(meta.Cluster) != 22 {
		t.Errorf("cluster id %q became %q", meta.Cluster, again.Cluster)
	}
	if meta.Topics["ticks"].ID != again.Topics["ticks"].ID {
		t.Error("the topic id changed: every position would be void")
	}
}

func TestUnknownTopicIsNotCreated(t *testing.T) {
	b := mustStart(t, testConfig(t))
	cl := client(t, b, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(1))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "stranger", Value: []byte("x")}).FirstErr(); err == nil {
		t.Error("a record to an unknown topic was accepted")
	}
}

func TestPortTakenIsSaidInWords(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := testConfig(t)
	cfg.Listen = ln.Addr().String()
	_, err = Start(cfg)
	if err == nil || !strings.Contains(err.Error(), "taken by another program") || !strings.Contains(err.Error(), "listen") {
		t.Fatalf("got %v", err)
	}
	// The folder was given back: the next start only needs another port.
	cfg.Listen = "127.0.0.1:0"
	mustStart(t, cfg)
}

func TestSecondBrokerOnTheFolderIsRefused(t *testing.T) {
	cfg := testConfig(t)
	b := mustStart(t, cfg)
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Fatalf("got %v", err)
	}
	b.Close()
	mustStart(t, cfg)
}

func TestFolderThatIsAFileIsRefused(t *testing.T) {
	cfg := testConfig(t)
	if err := os.WriteFile(cfg.DataDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "data_dir") {
		t.Fatalf("got %v", err)
	}
}

func TestPartitionCountIsFixedAtCreation(t *testing.T) {
	cfg := testConfig(t)
	mustStart(t, cfg).Close()
	cfg.Partitions = 3
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "fixed at creation") {
		t.Fatalf("got %v", err)
	}
}

func TestClientsWaitUntilTheTopicsExist(t *testing.T) {
	g, err := listen(Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	accepted := make(chan error, 1)
	go func() {
		c, err := g.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	c, err := net.Dial("tcp", g.local())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case <-accepted:
		t.Fatal("a client was let in before the gate was open")
	case <-time.After(50 * time.Millisecond):
	}
	g.letIn()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}

func TestUnspecifiedAddressIsNotAdvertised(t *testing.T) {
	for _, tt := range []struct{ name, listen, advertise, want string }{
		{"as given", "127.0.0.1:0", "", "127.0.0.1:"},
		{"unspecified", ":0", "", "HOST:"},
		{"any v4", "0.0.0.0:0", "", "HOST:"},
		{"named", ":0", "kline.example", "kline.example:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := listen(Config{Listen: tt.listen, Advertise: tt.advertise})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			host, err := os.Hostname()
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(tt.want, "HOST", host, 1)
			if got := g.Addr().String(); !strings.HasPrefix(got, want) {
				t.Errorf("advertised %s, want %s", got, want)
			}
			if c, err := net.Dial("tcp", g.local()); err != nil {
				t.Error(err)
			} else {
				c.Close()
			}
		})
	}
}

func TestAnotherRetentionActsAtTheNextStart(t *testing.T) {
	cfg := testConfig(t)
	cfg.Topics[0].Configs = map[string]string{"retention.bytes": "1000", "cleanup.policy": "delete"}
	mustStart(t, cfg).Close()
	cfg.Topics[0].Configs = map[string]string{"retention.bytes": "2000", "cleanup.policy": "delete", "segment.bytes": "4096"}
	for range 2 { // the second finds it written down
		b := mustStart(t, cfg)
		for key, want := range cfg.Topics[0].Configs {
			if got := b.cluster.TopicInfo("ticks").Configs[key]; got == nil || *got != want {
				t.Errorf("%s is not %s", key, want)
			}
		}
		b.Close()
	}
}

func TestRetentionRunsAfterARestart(t *testing.T) {
	cfg := testConfig(t)
	fake := clock.NewFake(time.Unix(1e9, 0))
	cfg.Clock = fake
	cfg.Topics[0].Configs = map[string]string{"retention.bytes": "200000", "segment.bytes": "65536", "retention.ms": "-1"}
	mustStart(t, cfg).Close()
	// This process neither creates nor alters a topic: kfake's own ticker is off.
	b := mustStart(t, cfg)
	cl := client(t, b, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for range 10 {
		recs := make([]*kgo.Record, 50)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: "ticks", Value: make([]byte, 1000)}
		}
		if err := cl.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for start := int64(0); start == 0; start, _ = endOf(t, cl, "ticks") {
		fake.Advance(time.Minute)
		if time.Now().After(deadline) {
			t.Fatal("nothing was removed")
		}
	}
}

func TestUnreadableTopicListIsSaidInWords(t *testing.T) {
	cfg := testConfig(t)
	b := mustStart(t, cfg)
	b.Close()
	if err := os.WriteFile(filepath.Join(b.logDir(), "topics.json"), []byte("{"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "restore the folder from a copy") {
		t.Fatalf("got %v", err)
	}
}

func TestFailedWritesShowInHealthAndPass(t *testing.T) {
	b := mustStart(t, testConfig(t))
	if err := b.Health(); err != nil {
		t.Fatal(err)
	}
	b.log.probe = filepath.Join(t.TempDir(), "missing", "probe")
	b.log.Logf(2, "persist batch %s-%d: %v", "ticks", 0, errors.New("write x: no space left on device"))
	if err := b.Health(); err == nil || !strings.Contains(err.Error(), "disk of the embedded broker is full") {
		t.Fatalf("got %v", err)
	}
	b.log.probe = filepath.Join(t.TempDir(), "probe")
	if err := b.Health(); err != nil {
		t.Errorf("there is room again, got %v", err)
	}
}

func TestKcatListsProducesAndConsumes(t *testing.T) {
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("not run: kcat is missing (apt-get install kcat)")
	}
	b := mustStart(t, testConfig(t))
	run := func(stdin string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "kcat", append([]string{"-b", b.Addr()}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("kcat %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("", "-L"); !strings.Contains(out, `topic "ticks" with 1 partitions`) {
		t.Errorf("kcat -L does not show the topic:\n%s", out)
	}
	run("a\nb\nc\n", "-P", "-t", "ticks", "-X", "acks=all", "-X", "enable.idempotence=true")
	if out := run("", "-C", "-t", "ticks", "-e", "-q"); out != "a\nb\nc\n" {
		t.Errorf("kcat read %q", out)
	}
}
