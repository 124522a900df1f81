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

// given holds the ports that were handed out in this process. The port of a server that a test has just killed is free to the
// system, and a test beside it would take it away.
var given sync.Map

// FreePorts returns n different ports of 127.0.0.1 that nobody listens on and that it has not returned before. All are held open until
// all are found.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for attempt := 0; len(ports) < n; attempt++ {
		if attempt == 1_000 {
			t.Fatalf("looking for %d free ports: 1000 attempts in %d..%d were in use", n, firstPort, lastPort)
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := net.Listen("tcp4", local(port))
		if err != nil {
			continue
		}
		defer listener.Close()
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		ports = append(ports, port)
	}
	return ports
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Refuses returns nil once a connection to addr is refused, and an error when it still is not after two seconds. Ask it after every
// SIGKILL: a kill that hit a wrapper instead of the server shows here.
func Refuses(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
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
			return fmt.Errorf("checking that %s refuses: something still answers 2 s after the kill", addr)
		case <-tick.C:
		}
	}
}
