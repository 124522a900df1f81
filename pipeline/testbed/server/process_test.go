//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary play the child of a test, so that no program has to be installed or built.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("child of a test")
		os.Exit(0)
	}
	switch os.Getenv("KLINE_CHILD") {
	case "":
		os.Exit(m.Run())
	case "listen":
		listen()
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		listen()
	case "fail":
		fmt.Println("cannot open the store")
		os.Exit(3)
	}
}

func listen() {
	listener, err := net.Listen("tcp4", os.Getenv("KLINE_ADDR"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening")
	for {
		if conn, err := listener.Accept(); err == nil {
			conn.Close()
		}
	}
}

func child(t *testing.T, role string) (b *Binary, addr string) {
	t.Helper()
	addr = local(FreePorts(t, 1)[0])
	b = StartBinary(t, BinaryConfig{Path: os.Args[0], Args: []string{}, Env: []string{"KLINE_CHILD=" + role, "KLINE_ADDR=" + addr}})
	return b, addr
}

func TestKilledChildLeavesItsPort(t *testing.T) {
	b, addr := child(t, "listen")
	b.WaitLog("listening", patience)
	if err := refuses(addr, 200*time.Millisecond); err == nil {
		t.Fatal("the port of a living child was called refused")
	}
	b.Kill9(addr)
	b.Restart()
	b.WaitLog("listening", patience) // of the second run: the first one's line must not count
	if strings.Count(b.Logs().String(), "listening") != 2 {
		t.Errorf("log of two runs:\n%s", b.Logs())
	}
}

func TestStopKillsAChildThatIgnoresTheSignal(t *testing.T) {
	b, addr := child(t, "deaf")
	b.WaitLog("listening", patience)
	err := b.Stop(200 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "still alive") {
		t.Fatalf("Stop returned %v", err)
	}
	if err := Refuses(addr); err != nil {
		t.Error(err)
	}
}

func TestPausedChildAnswersNothingUntilItContinues(t *testing.T) {
	b, addr := child(t, "listen")
	b.WaitLog("listening", patience)
	if err := b.Pause(); err != nil {
		t.Fatal(err)
	}
	closed := func(limit time.Duration) bool {
		conn, err := net.Dial("tcp4", addr) // the kernel accepts for the paused child
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		_, err = conn.Read(make([]byte, 1))
		return !errors.Is(err, os.ErrDeadlineExceeded)
	}
	if closed(200 * time.Millisecond) {
		t.Fatal("a paused child answered")
	}
	if err := b.Continue(); err != nil {
		t.Fatal(err)
	}
	if !closed(patience) {
		t.Fatal("the child did not continue")
	}
}

func TestChildThatEndsEarlyIsReportedWithItsLog(t *testing.T) {
	b, _ := child(t, "fail")
	err := b.poll(10*time.Millisecond, patience, func(context.Context) error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "ended early") || !strings.Contains(err.Error(), "cannot open the store") {
		t.Errorf("poll returned %v", err)
	}
}

func TestChildSeesOnlyItsOwnFolders(t *testing.T) {
	b, _ := child(t, "fail")
	for _, name := range []string{"HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		last := ""
		for _, pair := range b.environment() {
			if value, found := strings.CutPrefix(pair, name+"="); found {
				last = value // the last one of a repeated variable counts
			}
		}
		if !strings.HasPrefix(last, b.Dir()) {
			t.Errorf("%s is %q, outside of %q", name, last, b.Dir())
		}
	}
}

func TestLogKeepsWholeLinesWithinItsBound(t *testing.T) {
	l := newLog()
	line := strings.Repeat("x", 999) + "\n"
	for range maxLog/len(line) + 100 {
		if _, err := l.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	kept := l.String()
	if len(kept) > maxLog || len(kept)%len(line) != 0 {
		t.Errorf("%d bytes kept: over the bound or cut inside a line", len(kept))
	}
	mark := l.Mark()
	if _, err := l.Write([]byte("a ready b\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Wait(t.Context(), mark, "ready"); err != nil || got != "a ready b" {
		t.Errorf("Wait returned %q, %v", got, err)
	}
}

func TestFreePortsAreDifferentAndBelowTheEphemeralRange(t *testing.T) {
	seen := map[int]bool{}
	for _, port := range FreePorts(t, 20) {
		if seen[port] || port >= 32768 {
			t.Errorf("port %d", port)
		}
		seen[port] = true
	}
}
