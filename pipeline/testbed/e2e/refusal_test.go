package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// trial is a configuration that is tried without a bed: most of them do not
// come up.
type trial struct {
	t     *testing.T
	node  *server.Binary
	admin string
	http  string
}

// try starts the binary. source are the words of the source block.
func try(t *testing.T, source string) *trial {
	t.Helper()
	ports := server.FreePorts(t, 2)
	tr := &trial{t: t, admin: fmt.Sprintf("127.0.0.1:%d", ports[0]), http: fmt.Sprintf("http://127.0.0.1:%d", ports[1])}
	tr.node = server.StartBinary(t, server.BinaryConfig{Path: os.Getenv("KLINE_BIN"), Config: tr.config(source)})
	return tr
}

func (tr *trial) config(source string) string {
	return fmt.Sprintf("{\n\tadmin %s\n\tkline {\n\t\tsource embedded {\n\t\t\t%s\n\t\t}\n\t}\n}\n%s {\n\tklines\n}\n", tr.admin, source, tr.http)
}

// refused requires that the node ends by itself with an exit code, and that its
// last error is one sentence with all of want.
func (tr *trial) refused(want ...string) {
	tr.t.Helper()
	code, err := tr.node.ExitCode(patience)
	if err != nil {
		tr.t.Fatal(err)
	}
	if code != 1 {
		tr.t.Errorf("the exit code is %d, want 1", code)
	}
	sentence(tr.t, tr.node.Logs().Tail(1), want...)
}

// sentence requires that the last line of out is an error of the log that says
// all of want, and that nothing of it is the trace of a program.
func sentence(t *testing.T, out string, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var entry struct{ Level, Msg string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &entry); err != nil || entry.Level != "error" {
		t.Fatalf("the last line is no error of the log: %.600s", out)
	}
	for _, w := range want {
		if !strings.Contains(entry.Msg, w) {
			t.Errorf("the last error is %q, want %q in it", entry.Msg, w)
		}
	}
	if strings.Contains(entry.Msg, "\n") {
		t.Errorf("the last error has several lines: %q", entry.Msg)
	}
	for _, never := range []string{"goroutine ", "panic", "%!"} {
		if strings.Contains(out, never) {
			t.Errorf("the output holds %q: %.600s", never, out)
		}
	}
}

func listen(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", server.FreePorts(t, 1)[0]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestEmbeddedPortTakenIsRefused(t *testing.T) {
	taken := listen(t)
	try(t, "listen "+taken).refused("listening on "+taken, "the port is taken by another program", "stop that one, or choose another address (word listen)")
}

func TestEmbeddedLockedFolderIsRefused(t *testing.T) {
	ports := server.FreePorts(t, 2)
	folder := filepath.Join(t.TempDir(), "broker")
	first := try(t, fmt.Sprintf("listen 127.0.0.1:%d\n\t\t\tdata_dir %s", ports[0], folder))
	first.node.WaitURL(first.http+"/v1/health", patience)
	second := try(t, fmt.Sprintf("listen 127.0.0.1:%d\n\t\t\tdata_dir %s", ports[1], folder))
	second.refused(fmt.Sprintf("the data folder %q is in use by another process", folder), "stop that one, or give this one a folder of its own (word data_dir)")
	first.node.WaitURL(first.http+"/v1/health", time.Minute)
}

// A file in the way is refused to root, too; mode bits are not.
func TestEmbeddedFolderThatCannotBeWrittenIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"a file": file, "below a file": filepath.Join(file, "broker")} {
		t.Run(name, func(t *testing.T) {
			try(t, fmt.Sprintf("listen 127.0.0.1:%d\n\t\t\tdata_dir %s", server.FreePorts(t, 1)[0], folder)).
				refused(fmt.Sprintf("creating the data folder %q", folder), "choose one that this user may write to (word data_dir)")
		})
	}
	t.Run("write-protected", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Log("root may write everywhere; a folder of the kernel refuses it, too")
			try(t, fmt.Sprintf("listen 127.0.0.1:%d\n\t\t\tdata_dir /proc/broker", server.FreePorts(t, 1)[0])).
				refused(`creating the data folder "/proc/broker"`, "choose one that this user may write to (word data_dir)")
			return
		}
		folder := t.TempDir()
		if err := os.Chmod(folder, 0o500); err != nil { // a folder needs the x bit
			t.Fatal(err)
		}
		try(t, fmt.Sprintf("listen 127.0.0.1:%d\n\t\t\tdata_dir %s", server.FreePorts(t, 1)[0], folder)).
			refused(fmt.Sprintf("the data folder %q", folder), "choose one that this user may write to (word data_dir)")
	})
}

// A cleanly ended node whose log rots must not come up and skip what was
// acknowledged. The refusal repeats itself, and the operator may accept the loss.
func TestEmbeddedCorruptLogIsRefused(t *testing.T) {
	b := start(t, newEmbedded(t, 1), "")
	b.kcat(text(midnight(t)[:3000]))
	b.settle(patience)
	if err := b.node.Stop(patience); err != nil {
		t.Fatal(err)
	}
	broker := filepath.Join(b.node.Dir(), "data", "caddy", "kline", "broker")
	segment := filepath.Join(broker, "log", "partitions", "klines-0", "0.dat")
	raw, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		raw[len(raw)/2+i] ^= 0x5a
	}
	if err := os.WriteFile(segment, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := &trial{t: t, node: b.node}
	accept := filepath.Join(broker, "accept_loss")
	for range 2 {
		b.node.Restart()
		refused.refused("the log of klines[0] is damaged", "restore the folder", "remove it to start with an empty log", fmt.Sprintf("create the file %q", accept))
		if now, err := os.ReadFile(segment); err != nil || !bytes.Equal(now, raw) {
			t.Fatalf("the refusal changed the damaged file, %v", err)
		}
	}
	if err := os.WriteFile(accept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.node.Restart()
	b.node.WaitLog("going on without damaged records, as accepted", patience)
}

// TestEmbeddedCaddyfileErrorsNamePlaceAndRemedy runs the two commands that an
// operator checks a file with.
func TestEmbeddedCaddyfileErrorsNamePlaceAndRemedy(t *testing.T) {
	up := startedOnce(t)
	for name, tc := range map[string]struct {
		words string // of the kline block, from line 3 on
		want  []string
	}{
		"unknown word":           {"source embedded\n\t\tdrain_timout 1s", []string{`"drain_timout"`, "(allowed: source, store, feed, history, intervals,", ":4"}},
		"unknown source":         {"source nats", []string{`"nats"`, "(allowed: embedded, kafka)", ":3"}},
		"unknown word in source": {"source embedded {\n\t\t\tdatadir /x\n\t\t}", []string{`"datadir"`, "(allowed: data_dir, listen,", ":4"}},
		"repeated block":         {"source embedded\n\t\tstore memory\n\t\tstore memory", []string{`duplicate kline option "store" (allowed once)`, ":5"}},
		"repeated kline":         {"source embedded\n\t}\n\tkline {\n\t\tsource embedded", []string{"kline is already configured", ":5"}},
		"bad duration":           {"source embedded\n\t\tidle_timeout 5x", []string{`parsing idle_timeout: "5x" is not a duration such as 500ms, 10s, 1m30s or 1d`, ":4"}},
		"negative duration":      {"source embedded\n\t\tidle_timeout -5s", []string{`"-5s" is too short (allowed: 0 or more)`, ":4"}},
		"bad interval":           {"source embedded\n\t\tintervals 1m 7x", []string{`"7x"`, "ms s m h d w", ":4"}},
		"bad count":              {"source embedded {\n\t\t\tpartitions 65\n\t\t}", []string{`"65" is not a whole number from 1 to 64`, ":4"}},
		"bad size":               {"source embedded {\n\t\t\tretention 5GiB\n\t\t}", []string{"allowed are 64MiB to 512MiB", ":4"}},
		"unknown delivery":       {"source kafka {\n\t\t\tbrokers 127.0.0.1:1\n\t\t\tdelivery twice\n\t\t}", []string{`"twice"`, "(allowed: transactional, idempotent)", ":5"}},
		"secret in the file":     {"source kafka {\n\t\t\tbrokers 127.0.0.1:1\n\t\t\tsasl plain joe secret\n\t\t}", []string{"{env.", "{file.", ":5"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "Wrong")
			if err := os.WriteFile(file, []byte("{\n\tkline {\n\t\t"+tc.words+"\n\t}\n}\n:0 {\n\tklines\n}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			want := append([]string{file + tc.want[len(tc.want)-1]}, tc.want...)
			for _, command := range []string{"adapt", "validate"} {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				out, err := up.node.Command(ctx, command, "--config", file, "--adapter", "caddyfile")
				cancel()
				if err == nil {
					t.Fatalf("caddy %s accepted it: %s", command, out)
				}
				sentence(t, out, want...)
			}
		})
	}
}

// startedOnce is a running node whose binary the test also uses for commands.
func startedOnce(t *testing.T) *trial {
	t.Helper()
	up := try(t, fmt.Sprintf("listen 127.0.0.1:%d", server.FreePorts(t, 1)[0]))
	up.node.WaitURL(up.http+"/v1/health", patience)
	return up
}

// counter is a listener that counts who comes.
func counter(t *testing.T) (addr string, came *atomic.Int64) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came = new(atomic.Int64)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); accepting.Wait() })
	return l.Addr().String(), came
}

func TestEmbeddedValidateDialsAndWritesNothing(t *testing.T) {
	up := startedOnce(t)
	kafka, kafkaCame := counter(t)
	redis, redisCame := counter(t)
	folder := filepath.Join(t.TempDir(), "never")
	config := func(source, store string) string {
		file := filepath.Join(t.TempDir(), "Caddyfile")
		text := fmt.Sprintf("{\n\tadmin off\n\tkline {\n\t\t%s\n\t\t%s\n\t}\n}\n:0 {\n\tklines\n}\n", source, store)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	servers := config("source kafka {\n\t\t\tbrokers "+kafka+"\n\t\t\tdelivery idempotent\n\t\t}", "store redis {\n\t\t\taddress "+redis+"\n\t\t}")
	for _, file := range []string{servers, config("source embedded {\n\t\t\tdata_dir "+folder+"\n\t\t\tlisten "+kafka+"\n\t\t}", "")} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out, err := up.node.Command(ctx, "validate", "--config", file, "--adapter", "caddyfile")
		cancel()
		if err != nil || !strings.Contains(out, "Valid configuration") {
			t.Errorf("validating a good file: %v\n%s", err, out)
		}
	}
	if k, r := kafkaCame.Load(), redisCame.Load(); k != 0 || r != 0 {
		t.Errorf("validate dialled the broker %d times and the store %d times", k, r)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("validate made the data folder: %v", err)
	}
	// The counter does count: a node that runs dials the broker.
	node := server.StartBinary(t, server.BinaryConfig{Path: os.Getenv("KLINE_BIN"), Args: []string{"run", "--config", servers, "--adapter", "caddyfile"}})
	for deadline := time.Now().Add(patience); kafkaCame.Load() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) || !node.Running() {
			t.Fatal("a running node did not dial the broker")
		}
	}
}

func TestEmbeddedStatusCommand(t *testing.T) {
	up := startedOnce(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	for _, args := range [][]string{{"--address", up.admin}, {"--config", up.node.ConfigFile()}} {
		out, err := "", error(nil)
		want := []string{"ready true", "delivery idempotent", "store memory", "partition state next lag", "0 running 0 0"}
		if !eventually(func() bool { // a node on a busy machine may not be ready for a moment
			out, err = up.node.Command(ctx, append([]string{"kline", "status"}, args...)...)
			words := strings.Join(strings.Fields(out), " ") // the columns are as wide as they have to be
			return err == nil && !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(words, w) })
		}) {
			t.Errorf("caddy kline status %v printed\n%s\nwant %q in it: %v", args, out, want, err)
		}
	}
	out, err := "", error(nil)
	if !eventually(func() bool {
		var s status
		out, err = up.node.Command(ctx, "kline", "status", "--json", "--address", up.admin)
		return err == nil && json.Unmarshal([]byte(out), &s) == nil && s.Ready && len(s.Partitions) == 1
	}) {
		t.Errorf("caddy kline status --json printed %s, %v", out, err)
	}

	none := fmt.Sprintf("127.0.0.1:%d", server.FreePorts(t, 1)[0])
	out, err = up.node.Command(ctx, "kline", "status", "--address", none)
	if err == nil {
		t.Fatalf("a status without a node: %s", out)
	}
	sentence(t, out, "no Caddy answers at the admin endpoint "+none, "start it", "--address")

	// A Caddy without klines is a Caddy of somebody else.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+up.admin+"/load", strings.NewReader("{\n\tadmin "+up.admin+"\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("reloading: %v, %d %s", err, resp.StatusCode, text)
	}
	// Caddy has just replaced its admin endpoint: for a moment it may not answer.
	eventually(func() bool {
		out, err = up.node.Command(ctx, "kline", "status", "--address", up.admin)
		return strings.Contains(out, "has no kline configured")
	})
	if err == nil {
		t.Fatalf("a status without klines: %s", out)
	}
	sentence(t, out, "has no kline configured", "--config")
}
