//go:build unix

package chaos

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echo answers every byte with itself until the test is over.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	return listener.Addr().String()
}

// pass sends a byte and waits for it at most limit.
func pass(t *testing.T, addr string, limit time.Duration) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		return time.Since(began), err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return time.Since(began), err
}

func TestLinkBreaksAndHeals(t *testing.T) {
	l := newLink(t, "test", echo(t))
	if _, err := pass(t, l.addr, time.Minute); err != nil {
		t.Fatalf("a whole link: %v", err)
	}
	for _, breaks := range []struct {
		name  string
		limit time.Duration
		how   func() error
		want  func(took time.Duration, err error) bool
	}{
		{"slow", time.Minute, func() error { return l.slow(100) }, func(took time.Duration, err error) bool { return err == nil && took > 90*time.Millisecond }},
		{"cut", time.Second, l.cut, func(_ time.Duration, err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }},
		{"refuse", time.Minute, l.refuse, func(_ time.Duration, err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{"reset", time.Minute, l.reset, func(_ time.Duration, err error) bool { return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) }},
	} {
		if err := breaks.how(); err != nil {
			t.Fatal(err)
		}
		if took, err := pass(t, l.addr, breaks.limit); !breaks.want(took, err) {
			t.Errorf("%s: %v, %v", breaks.name, took, err)
		}
		if err := l.heal(); err != nil {
			t.Fatal(err)
		}
		if _, err := pass(t, l.addr, time.Minute); err != nil {
			t.Errorf("healed after %s: %v", breaks.name, err)
		}
	}
}

// A node and a broker may be hurt at the same time, and they share a link.
func TestLinkIsHealedByTheLastOfTwoFaults(t *testing.T) {
	l := newLink(t, "test", echo(t))
	if err := errors.Join(l.cut(), l.slow(10), l.heal()); err != nil {
		t.Fatal(err)
	}
	if _, err := pass(t, l.addr, 300*time.Millisecond); err == nil {
		t.Error("the first heal took both faults back")
	}
	if err := l.heal(); err != nil {
		t.Fatal(err)
	}
	if _, err := pass(t, l.addr, time.Minute); err != nil {
		t.Errorf("the last heal left the link broken: %v", err)
	}
}
