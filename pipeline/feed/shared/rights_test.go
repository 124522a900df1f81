package shared

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// rules are the words of the manual: the user of the view, and what feeds need
// in addition.
func rules(t *testing.T) []any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rule []any
	for line := range bytes.Lines(text) {
		if words := strings.Fields(string(line)); len(words) > 3 && words[0] == "ACL" {
			for _, w := range words {
				rule = append(rule, w)
			}
		}
	}
	more := regexp.MustCompile("its user then also needs `([^`]+)`").FindSubmatch(text)
	if len(rule) == 0 || more == nil {
		t.Fatal("the manual does not tell the rights")
	}
	for w := range strings.FieldsSeq(string(more[1])) {
		rule = append(rule, w)
	}
	return rule
}

// startServer runs a real redis-server until the end of the test.
func startServer(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("not run: redis-server is missing: scripts/install-test-deps.sh redis-server installs it")
	}
	dir, err := os.MkdirTemp("", "kl") // short: the path of a socket is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	addr := filepath.Join(dir, "s") // a port that was free a moment ago may be somebody else's
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", addr, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	defer c.Close()
	for end := time.Now().Add(time.Minute); c.Ping(t.Context()).Err() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("redis-server does not answer")
		}
	}
	return addr
}

func TestUserOfTheManualIsEnoughForFeeds(t *testing.T) {
	addr := startServer(t)
	admin := goredis.NewClient(&goredis.Options{Addr: addr})
	defer admin.Close()
	if err := admin.Do(t.Context(), rules(t)...).Err(); err != nil {
		t.Fatal(err)
	}
	r := New(goredis.NewClient(&goredis.Options{Addr: addr, Username: "kline", Password: "secret", MaxRetries: -1, DisableIdentity: true}), "kl", "abcd")
	defer r.Close()
	var got []int64
	for end := time.Now().Add(time.Minute); len(got) == 0 || got[0] == 0; time.Sleep(50 * time.Millisecond) {
		var err error
		if got, err = r.Hold(t.Context(), "aa", []string{"A"}, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatal("no lock")
		}
	}
	if err := r.Release(t.Context(), "aa", []string{"A"}); err != nil {
		t.Error(err)
	}
	if wait, err := r.Take(t.Context(), "v", 0.1, 1); err != nil || wait != 0 {
		t.Errorf("%s, %v", wait, err)
	}
	if wait, err := r.Take(t.Context(), "v", 0.1, 1); err != nil || wait <= 0 || wait > 10*time.Second {
		t.Errorf("%s, %v", wait, err)
	}
	for range 2 {
		if err := r.Pause(t.Context(), "v", 3*time.Second); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Seen(t.Context(), nil, []string{"a"}, time.Minute); err != nil {
		t.Error(err)
	}
	if seen, err := r.Seen(t.Context(), []string{"a"}, []string{"a"}, time.Minute); err != nil || !seen[0] {
		t.Errorf("%v, %v", seen, err)
	}
}
