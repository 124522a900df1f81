package e2e

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/oracle"
)

// command runs `caddy kline indicator` on the storage of the node.
func (u *uploads) command(ok bool, args ...string) string {
	u.t.Helper()
	out, err := u.node.Command(u.t.Context(), append([]string{"kline", "indicator"}, append(args, "--config", u.node.ConfigFile(), "--adapter", "caddyfile")...)...)
	if (err == nil) != ok {
		u.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

// becomes waits for a text in the answer about the module.
func (u *uploads) becomes(limit time.Duration, want string) time.Duration {
	u.t.Helper()
	began := time.Now()
	for {
		got := string(u.must(200, "GET", "/v1/modules/trial-sum", nil))
		if strings.Contains(got, want) {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			u.t.Fatalf("%s did not come within %v: %.800s", want, limit, got)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// told counts what a stream says.
type counted struct{ bars, values, quarantined atomic.Int64 }

func (c *counted) take(e oracle.Event) error {
	switch {
	case !strings.Contains(e.Data, `"final":true`):
	case e.Type == "kline":
		c.bars.Add(1)
	case e.Type == "indicator" && strings.Contains(e.Data, `"v":{"value":null}`) && strings.Contains(e.Data, `"fault":"quarantined"`):
		c.quarantined.Add(1)
	case e.Type == "indicator" && !strings.Contains(e.Data, "null"):
		c.values.Add(1)
	}
	return nil
}

func (c *counted) more(t *testing.T, n *atomic.Int64, what string) {
	t.Helper()
	before := n.Load()
	for began := time.Now(); n.Load() == before; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("no %s came: %d bars, %d values, %d without for the kill", what, c.bars.Load(), c.values.Load(), c.quarantined.Load())
		}
	}
}

// An operator stops all uploads from outside of both nodes. Both stop within two
// seconds, streams stay up and say why there are no values, bars go on, a kill -9
// changes nothing, and lifting brings the values back. The log has all of it.
func TestEmbeddedKillSwitchStopsEveryNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	u, other := newUploadsWith(t, dir, "isolation check"), newUploadsIn(t, dir)
	u.must(201, "PUT", "/v1/modules/trial-sum?activate=1", summing(t, 100))
	other.becomes(patience, `"state":"active"`)
	f := startFlow(t, u.bed, 200, 1)
	defer func() { f.stop(); f.done.Wait() }()
	c := new(counted)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := oracle.Stream(ctx, http.DefaultClient, u.http+"/v1/stream?s=S0000,S0001@1s:kline,trial-sum/running_sum", "", c.take)
		ended <- err
	}()
	c.more(t, &c.values, "value")
	u.command(true, "kill", "--all", "--reason", "drill")
	first, second := u.becomes(time.Minute, `"state":"stopped"`), other.becomes(time.Minute, `"state":"stopped"`)
	t.Logf("the nodes have stopped after %v and %v more", first, second)
	c.more(t, &c.quarantined, "value of a module that is stopped")
	c.more(t, &c.bars, "bar")
	u.must(403, "PUT", "/v1/modules/trial-sum", summing(t, 101))
	values := c.values.Load()
	c.more(t, &c.quarantined, "value of a module that is stopped")
	if n := c.values.Load(); n != values {
		t.Errorf("%d values came from a module that is stopped", n-values)
	}
	select {
	case err := <-ended:
		t.Errorf("the stream ended: %v", err)
	default:
	}
	u.must(200, "DELETE", "/v1/modules/_kills/all", nil)
	c.more(t, &c.values, "value behind the lift")
	u.must(200, "PUT", "/v1/modules/_kills/module/trial-sum", nil)
	cancel()
	other.becomes(time.Minute, `"state":"stopped"`)
	other.kill()
	other.node.Restart()
	other.ready()
	other.becomes(time.Minute, `"state":"stopped"`)
	log := u.command(true, "audit")
	for _, want := range []string{`upload done by "ann"`, `activate done by "ann"`, `kill done by "command line"`, `lift done by "ann"`, `kill done by "ann"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log has no %s:\n%s", want, log)
		}
	}
	u.command(true, "audit", "--verify")
	segment := filepath.Join(dir, "kline/audit/00000001.jsonl")
	text, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, []byte(strings.Replace(string(text), `"actor":"ann"`, `"actor":"bob"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := u.command(false, "audit", "--verify"); !strings.Contains(out, "line 1") {
		t.Errorf("the broken line is not named: %s", out)
	}
}

// A key is made under a password, never replaced, and signs with that password
// alone; minisign itself agrees where it is installed.
func TestEmbeddedKeysAreMadeAndSign(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, file := filepath.Join(dir, "me.key"), filepath.Join(dir, "x.wasm")
	if err := os.WriteFile(file, summing(t, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(ok bool, password string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Getenv("KLINE_BIN"), append([]string{"kline", "indicator", "sign"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir, "KLINE_SIGN_PASSWORD="+password)
		out, err := cmd.CombinedOutput()
		if (err == nil) != ok || strings.Contains(string(out), "canary") {
			t.Fatalf("sign %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run(false, "", "--new-key", key)
	if out := run(true, "canary-77aa", "--new-key", key); !strings.Contains(out, "trusted_keys default RW") {
		t.Errorf("made: %s", out)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info, err)
	}
	run(false, "canary-77aa", "--new-key", key)
	run(false, "canary-other", file, "--key", key)
	run(true, "canary-77aa", file, "--key", key)
	if program, err := exec.LookPath("minisign"); err == nil {
		if out, err := exec.CommandContext(t.Context(), program, "-Vm", file, "-p", key+".pub").CombinedOutput(); err != nil {
			t.Errorf("minisign: %s, %v", out, err)
		}
	}
}
