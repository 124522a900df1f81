package redis

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The rights that the manual asks for are enough, and a view never needs others:
// whatever the code begins to send has to be added there.
func TestUserOfTheManualIsEnough(t *testing.T) {
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
	if len(rule) == 0 {
		t.Fatal("the manual has no line ACL SETUSER")
	}
	for _, s := range []testServer{startServer(t), clusterOfOne(t)} {
		c := s.client(t)
		own := rule
		if s.cluster {
			own = append(own[:len(own):len(own)], "+cluster|slots", "+command")
		}
		if err := c.Do(t.Context(), own...).Err(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Do(context.Background(), "ACL", "DELUSER", "kline") })
		cfg := testConfig(s)
		cfg.Credentials = func(context.Context) (string, string, error) { return "kline", "secret", nil }
		r := New(cfg)
		defer r.Close()
		tp := makeTopic(61, 200)
		follow(t, r, tp, rand.New(rand.NewPCG(61, 62)), func(i int) {
			if i == 4 {
				c.FlushAll(t.Context())
			}
		})
		wantView(t, s, tp)
		open := strings.Replace(klineJSON("A", 60000, 0, 1), `"final":true`, `"final":false`, 1)
		if err := r.Forming(t.Context(), 0, [][]byte{[]byte(open)}); err != nil {
			t.Error(err)
		}
		if got := c.HGet(t.Context(), r.key(0, keyCur, "A"), "1m").Val(); !strings.HasSuffix(got, open) {
			t.Errorf("the forming bar is %q", got)
		}
		if _, err := r.Advice(t.Context()); err != nil {
			t.Error(err)
		}
		if err := r.conn().Set(t.Context(), "foreign", 1, 0).Err(); err == nil {
			t.Error("the user may write what is not the view's")
		}
	}
	// A user without the rights is told so, and nothing hangs.
	s := startServer(t)
	if err := s.client(t).ConfigSet(t.Context(), "requirepass", "other").Err(); err != nil {
		t.Fatal(err)
	}
	r := New(testConfig(s))
	defer r.Close()
	if _, err := r.Apply(t.Context(), 0, 0, 0, nil); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v", err)
	}
}
