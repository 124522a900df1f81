package caddymodule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"syscall"
	"testing"
	"time"
)

// socketOptions are what the kernel says of a connection.
func socketOptions(t *testing.T, c net.Conn) (unsent, patience int) {
	t.Helper()
	raw := rawSocket(c)
	if raw == nil {
		t.Fatal("there is no socket below the connection")
	}
	if err := raw.Control(func(fd uintptr) {
		unsent, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x19)
		patience, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x12)
	}); err != nil {
		t.Fatal(err)
	}
	return unsent, patience
}

// socketServer serves with the connections in the contexts, as Caddy does.
func socketServer(t *testing.T, secure bool, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnContext = rememberSocket
	if secure {
		srv.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv
}

func TestAStreamBoundsItsSocketAndGivesItBack(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("secure=%v", secure), func(t *testing.T) {
			var within, after [2]int
			srv := socketServer(t, secure, func(_ http.ResponseWriter, r *http.Request) {
				conn, ok := r.Context().Value(socketKey{}).(net.Conn)
				if !ok {
					t.Error("the request does not know its connection")
					return
				}
				release := boundSocket(r, 7*time.Second)
				within[0], within[1] = socketOptions(t, conn)
				release()
				after[0], after[1] = socketOptions(t, conn)
			})
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if within != [2]int{unsentBytes, 7000} || after != [2]int{} {
				t.Errorf("unsent bytes and ms are %v, then %v", within, after)
			}
		})
	}
}

func TestOnlyConnectionsThatAStreamHasForItselfAreBound(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	for proto, c := range map[int]net.Conn{1: ours, 2: ours} {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), socketKey{}, c), "GET", "/", nil)
		r.ProtoMajor = proto
		boundSocket(r, time.Second)() // a pipe has no socket: nothing happens, nothing fails
	}
	srv := socketServer(t, false, func(_ http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(socketKey{}).(net.Conn)
		r.ProtoMajor = 2
		defer boundSocket(r, time.Second)()
		if unsent, patience := socketOptions(t, conn); unsent == unsentBytes || patience != 0 {
			t.Errorf("a connection that others share was bound: %d, %d", unsent, patience)
		}
	})
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// A client that asks and never reads: what it can pin is what its own window and
// ours of unsent bytes take, and not the megabytes up to which a socket grows.
func TestAClientThatNeverReadsPinsLittle(t *testing.T) {
	taken := make(chan int, 1) // what is asserted is an upper bound: a slow machine takes less
	srv := socketServer(t, false, func(w http.ResponseWriter, r *http.Request) {
		defer boundSocket(r, time.Minute)()
		rc := http.NewResponseController(w)
		n, block := 0, make([]byte, 8<<10)
		for n < 64<<20 {
			if err := rc.SetWriteDeadline(time.Now().Add(2 * time.Second)); err != nil {
				t.Error(err)
			}
			if _, err := w.Write(block); err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the write ended with %v", err)
				}
				break
			}
			n += len(block)
		}
		taken <- n
	})
	dial := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	conn, err := dial.DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n := <-taken; n > 256<<10 {
		t.Errorf("the kernel took %d bytes for a client that reads none", n)
	}
}
