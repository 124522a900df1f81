//go:build synctests

package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var errUnreachable = &net.OpError{Op: "dial", Net: "virtual", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// link is all of one node's network: cutting it for good is what the brokers
// see of a kill.
type link struct {
	net   *kfake.VirtualNetwork
	tally *tally

	mu     sync.Mutex // protects the fields below
	conns  map[*conn]bool
	down   bool
	thaw   time.Time     // nothing passes before
	delay  time.Duration // of every reply
	losses []loss
	ask    time.Duration // for patience, in every answer to a fetch
}

// loss is an exchange that will fail: the broker never sees the request, or the
// client never sees the reply.
type loss struct {
	key   kmsg.Key
	reply bool
}

func (l loss) String() string {
	if l.reply {
		return "lost reply of " + l.key.Name()
	}
	return "lost request of " + l.key.Name()
}

func newLink(vn *kfake.VirtualNetwork, t *tally) *link {
	return &link{net: vn, tally: t, conns: map[*conn]bool{}}
}

// dial is the dialer of the node's Kafka clients.
func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.isDown() {
		return nil, errUnreachable
	}
	raw, err := l.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, l: l, doomed: map[uint32]loss{}, closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		_ = raw.Close()
		return nil, errUnreachable
	}
	l.conns[c] = true
	return c, nil
}

func (l *link) isDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down
}

// cut closes all connections and refuses new ones until mend.
func (l *link) cut() {
	l.mu.Lock()
	l.down = true
	open := l.conns
	l.conns = map[*conn]bool{}
	l.mu.Unlock()
	for c := range open {
		_ = c.Close()
	}
}

// mend undoes cut, freeze, slow and what is still to be lost.
func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.thaw, l.delay, l.losses, l.ask = false, time.Time{}, 0, nil, 0
}

// freeze lets nothing pass for d, in no direction; connections stay.
func (l *link) freeze(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.thaw = time.Now().Add(d)
}

// slow delays every reply.
func (l *link) slow(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// throttleFetches has every answer to a fetch ask the client to wait.
func (l *link) throttleFetches(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ask = d
}

// lose lets the next exchange of x's key fail.
func (l *link) lose(x loss) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.losses = append(l.losses, x)
}

func (l *link) takeLoss(key kmsg.Key) (loss, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, x := range l.losses {
		if x.key == key {
			l.losses = append(l.losses[:i:i], l.losses[i+1:]...)
			l.tally.hit(x.String(), 1)
			return x, true
		}
	}
	return loss{}, false
}

// latency is what every reply takes. Without any, a client that asks again at
// once, as ours does for up to a second after a leader has moved, would keep
// virtual time from passing.
const latency = time.Millisecond

// wait keeps something in the network for as long as it has to stay there.
func (c *conn) wait(reply bool) {
	c.l.mu.Lock()
	d := time.Until(c.l.thaw)
	if reply {
		d = max(d, c.l.delay, latency)
	}
	c.l.mu.Unlock()
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-c.closed:
	}
}

// conn is a connection to a broker. The client writes one request per Write;
// replies are read frame by frame, so that one of them can be dropped.
type conn struct {
	net.Conn
	l      *link
	frame  []byte // rest of the reply that is being read
	mu     sync.Mutex
	doomed map[uint32]loss // correlation ids whose reply gets lost
	// fetches: the last request was one. A client fetches over a connection of
	// its own.
	fetches bool
	closed  chan struct{}
	once    sync.Once // closes closed
}

// Write passes a request on, unless it is to be lost.
func (c *conn) Write(p []byte) (int, error) {
	c.wait(false)
	if len(p) >= 12 {
		key := kmsg.Key(binary.BigEndian.Uint16(p[4:]))
		c.l.tally.request(key)
		if x, ok := c.l.takeLoss(key); ok && !x.reply {
			_ = c.Conn.Close()
			return len(p), nil
		} else if ok {
			c.mu.Lock()
			c.doomed[binary.BigEndian.Uint32(p[8:])] = x
			c.mu.Unlock()
		}
		c.mu.Lock()
		c.fetches = key == kmsg.Fetch && binary.BigEndian.Uint16(p[6:]) >= flexibleFetch
		c.mu.Unlock()
	}
	n, err := c.Conn.Write(p)
	return n, reset("write", err)
}

// reset is what a real network says of a connection that was cut.
func reset(op string, err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return &net.OpError{Op: op, Net: "virtual", Err: os.NewSyscallError(op, syscall.ECONNRESET)}
	}
	return err
}

// Read hands replies on. Behind a lost one the connection is over.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.frame) == 0 {
		if err := c.next(); err != nil {
			return 0, reset("read", err)
		}
	}
	n := copy(p, c.frame)
	c.frame = c.frame[n:]
	return n, nil
}

func (c *conn) next() error {
	var head [8]byte // length and correlation id
	if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
		return err
	}
	c.mu.Lock()
	_, lost := c.doomed[binary.BigEndian.Uint32(head[4:])]
	c.mu.Unlock()
	if lost {
		_ = c.Conn.Close()
		return io.EOF
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(head[:]))
	copy(frame, head[:])
	if _, err := io.ReadFull(c.Conn, frame[len(head):]); err != nil {
		return err
	}
	c.throttle(frame)
	c.wait(true)
	c.frame = frame
	return nil
}

// flexibleFetch is the version from which an answer to a fetch has a byte of tags
// in front of it.
const flexibleFetch = 12

// throttle writes the time to wait into an answer to a fetch.
func (c *conn) throttle(frame []byte) {
	c.l.mu.Lock()
	ask := c.l.ask
	c.l.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if ask > 0 && c.fetches && len(frame) >= 13 {
		binary.BigEndian.PutUint32(frame[9:], uint32(ask.Milliseconds()))
		c.l.tally.hit("throttled fetches", 1)
	}
}

// Close forgets the connection.
func (c *conn) Close() error {
	c.l.mu.Lock()
	delete(c.l.conns, c)
	c.l.mu.Unlock()
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

var _ net.Conn = (*conn)(nil)
