package kafka

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// TestARefusedConnectionIsNotTriedAgainAtOnce: the client library repeats some
// requests without a pause of its own.
func TestARefusedConnectionIsNotTriedAgainAtOnce(t *testing.T) {
	refused := errors.New("refused")
	c := Cluster{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}.withDefaults()
	dial := c.paced(c.dialer())
	began := time.Now()
	if _, err := dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took < dialPause {
		t.Errorf("it took %s, want at least %s", took, dialPause)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	began = time.Now()
	if _, err := dial(ended, "tcp", "127.0.0.1:1"); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took >= dialPause {
		t.Errorf("a dial that nobody waits for took %s", took)
	}
}
