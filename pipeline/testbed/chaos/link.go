//go:build unix

package chaos

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// link is one proxied way from a client to a server.
type link struct {
	name, addr, target string // addr is where clients dial

	mu     sync.Mutex // protects the rest
	proxy  *toxiproxy.Proxy
	broken int // faults that hold: that of a node and that of a broker may meet on one link
	number int // of the next toxic
}

// newLink puts a proxy in front of target. It is taken away at the end of the run.
func newLink(t testing.TB, name, target string) *link {
	t.Helper()
	l := &link{name: name, target: target, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(server.FreePorts(t, 1)[0]))}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.proxy.Stop()
	})
	return l
}

// open listens. The socket before may still have the port for a moment.
func (l *link) open() error {
	var err error
	_, ok := until(time.Minute, func() bool {
		l.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), l.name, l.addr, l.target)
		err = l.proxy.Start()
		return err == nil
	})
	if !ok {
		return fmt.Errorf("starting the proxy %s: %w", l.name, err)
	}
	return nil
}

// slow delays both ways by ms milliseconds, and lets 100 KiB a second pass to the client.
func (l *link) slow(ms int) error {
	late := fmt.Sprintf(`"type":"latency","attributes":{"latency":%d,"jitter":%d}`, ms, ms/2)
	return l.add(`"stream":"downstream",`+late, `"stream":"upstream",`+late, `"stream":"downstream","type":"bandwidth","attributes":{"rate":100}`)
}

// cut lets nothing pass and closes nothing: both sides wait.
func (l *link) cut() error {
	const never = `"type":"timeout","attributes":{"timeout":0}`
	return l.add(`"stream":"downstream",`+never, `"stream":"upstream",`+never)
}

// reset breaks every connection.
func (l *link) reset() error {
	return l.add(`"stream":"downstream","type":"reset_peer","attributes":{"timeout":0}`)
}

// refuse ends all connections and accepts none, as the address of a dead server does. A proxy that accepts and hangs up would look like a server
// that speaks another protocol.
func (l *link) refuse() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken++
	l.proxy.Stop()
	return nil
}

func (l *link) add(toxics ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken++
	for _, text := range toxics {
		l.number++
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":"%d",%s}`, l.number, text))); err != nil {
			return fmt.Errorf("breaking the link %s: %w", l.name, err)
		}
	}
	return nil
}

// heal takes one fault back. With the last one everything passes again, on new connections: what a cut has swallowed must not be missing in
// the middle of one.
func (l *link) heal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken--; l.broken > 0 {
		return nil
	}
	l.proxy.Stop()
	return l.open()
}
