package kafka

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
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
	c.Clock = clock.NewFake(time.Unix(0, 0)) // it stands: a dial that nobody waits for would never end
	if _, err := c.paced(c.dialer())(ended, "tcp", "127.0.0.1:1"); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
}

// A proxy before a broker that is down takes a connection and hangs up. Whoever
// asks again gets through once there is another leader, or the broker is back.
func TestFault_B01_AProxyThatHangsUpIsAskedAgain(t *testing.T) {
	b := newBed(t, 1)
	proxy, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	go func() {
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1024)) // the question is heard
			conn.Close()
		}
	}()
	for _, again := range []bool{true, false} {
		var dials atomic.Int32
		at := Cluster{Brokers: b.at.Brokers, RetryEOF: again, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if n := dials.Add(1); n == 2 || n == 3 { // the first one is told who the leader is
				address = proxy.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}}
		_, err := EdgesOf(b.ctx(), at, "ticks")
		if (err == nil) != again || err != nil && !IsTransient(err) {
			t.Errorf("asked again %v: %v after %d connections", again, err, dials.Load())
		}
	}
}
