package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// gate is a listener that holds its port from the start and lets clients in when
// the topics exist. Until then they wait in the accept queue.
type gate struct {
	net.Listener
	advertised net.Addr
	open       chan struct{}
	closed     chan struct{}
	inner      chan net.Conn // our own, before the gate opens
	once       sync.Once
}

func listen(cfg Config) (*gate, error) {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %q: %w: give host:port (word listen)", cfg.Listen, err)
	}
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cfg.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listening on %s: the port is taken by another program: stop that one, or choose another address (word listen): %w", cfg.Listen, err)
	case err != nil:
		return nil, fmt.Errorf("listening on %s (word listen): %w", cfg.Listen, err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if cfg.Advertise != "" {
		host = cfg.Advertise
	} else if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		// Clients dial what they are told: an unspecified address would send them
		// to their own machine.
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return &gate{
		Listener: ln, advertised: address{host, port},
		open: make(chan struct{}), closed: make(chan struct{}), inner: make(chan net.Conn),
	}, nil
}

// Accept waits until the gate is open. Connections from inside come before.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case <-g.open:
	case c := <-g.inner:
		return c, nil
	case <-g.closed:
		return nil, net.ErrClosed
	}
	return g.Listener.Accept()
}

func (g *gate) letIn() { close(g.open) }

// Close ends Accept, open or not.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	return g.Listener.Close()
}

// Addr is the advertised address: kfake puts it into its metadata.
func (g *gate) Addr() net.Addr { return g.advertised }

// local is an address that reaches the listener from this machine.
func (g *gate) local() string {
	a := g.Listener.Addr().(*net.TCPAddr)
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", a.Port)
	}
	return a.String()
}

type address struct {
	host string
	port int
}

func (address) Network() string  { return "tcp" }
func (a address) String() string { return net.JoinHostPort(a.host, fmt.Sprint(a.port)) }

var _ net.Listener = (*gate)(nil)
