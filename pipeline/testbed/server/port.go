package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Ports come from below the ephemeral range of Linux (32768 and up), not from the kernel's choice for port 0. A client that dials a
// killed server again and again gets source ports of the ephemeral range; when one equals the port it dials, the connection is
// made to itself, looks alive, and the server cannot come back on its port.
const (
	firstPort = 20_000
	lastPort  = 30_000
)

// patience is how long an answer or an end is waited for: long enough for any
// machine, since a suite that runs beside others must not fail by their work.
const patience = time.Minute

// given holds the UDP sockets of the ports that were handed out, until this process ends. A port that nobody listens on yet, or that
// of a server that a test has just killed, is free to the system, and a test beside it, of this process or of another one, would take it
// away: nobody who looks for ports tries one whose UDP socket is taken.
var given sync.Map

// FreePorts returns n different ports of 127.0.0.1 that nobody listens on and that no test has been given before.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	return freePorts(t, n, lastPort)
}

func freePorts(t testing.TB, n, below int) []int {
	t.Helper()
	var ports []int
	for attempt := 0; len(ports) < n; attempt++ {
		if attempt == 1_000 {
			t.Fatalf("looking for %d free ports: 1000 attempts in %d..%d were in use", n, firstPort, below)
		}
		port := firstPort + rand.IntN(below-firstPort)
		mark, err := net.ListenPacket("udp4", local(port)) // before TCP is tried: that would disturb whoever has the port
		if err != nil {
			continue
		}
		listener, err := net.Listen("tcp4", local(port))
		if err != nil {
			mark.Close()
			continue
		}
		listener.Close()
		given.Store(port, mark)
		ports = append(ports, port)
	}
	return ports
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Refuses returns nil once a connection to addr is refused, and an error when it still is not after a minute. Ask it after every
// SIGKILL: a kill that hit a wrapper instead of the server shows here.
func Refuses(addr string) error { return refuses(addr, patience) }

func refuses(addr string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		if err == nil {
			conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("checking that %s refuses: something still answers %v after the kill", addr, limit)
		case <-tick.C:
		}
	}
}
