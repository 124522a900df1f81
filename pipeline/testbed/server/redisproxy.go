//go:build unix

package server

import (
	"io"
	"net"
	"sync"
	"testing"
)

// RedisProxy stands between a client and a redis-server. It hands everything on, but for the replies it is told to swallow: the
// server has done the work then, and the client hears nothing.
type RedisProxy struct {
	target   string
	listener net.Listener
	wait     sync.WaitGroup

	mu       sync.Mutex // protects the rest
	conns    map[net.Conn]bool
	closed   bool
	swallow  int
	swallows int
}

// StartRedisProxy listens in front of target. It is closed at the end of the test.
func StartRedisProxy(t testing.TB, target string) *RedisProxy {
	t.Helper()
	listener, err := net.Listen("tcp4", local(FreePorts(t, 1)[0]))
	if err != nil {
		t.Fatalf("starting a proxy: %v", err)
	}
	p := &RedisProxy{target: target, listener: listener, conns: map[net.Conn]bool{}}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wait.Wait()
	})
	return p
}

// Addr is host:port.
func (p *RedisProxy) Addr() string { return p.listener.Addr().String() }

// Swallow makes the next n replies, or pieces of such, disappear.
func (p *RedisProxy) Swallow(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = n
}

// Swallowed is how many have disappeared so far.
func (p *RedisProxy) Swallowed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallows
}

func (p *RedisProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp4", p.target)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			return
		}
		p.wait.Go(func() {
			_, _ = io.Copy(server, client)
			server.Close()
		})
		p.wait.Go(func() {
			p.replies(client, server)
			client.Close()
			server.Close()
		})
	}
}

// keep notes connections for the end; after it they are closed at once.
func (p *RedisProxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			c.Close()
		}
		p.conns[c] = true
	}
	return !p.closed
}

func (p *RedisProxy) replies(client, server net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if p.take() {
			continue
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (p *RedisProxy) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.swallow == 0 {
		return false
	}
	p.swallow--
	p.swallows++
	return true
}
