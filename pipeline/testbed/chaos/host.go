//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// host lets the servers of the test bed run outside a test. The embedded interface is nil: it is there for the unexported method of
// testing.TB, and the test bed calls no other method than those below. It may be used by several goroutines.
type host struct {
	testing.TB
	dir string
	say func(format string, args ...any)

	mu      sync.Mutex // protects the rest
	cleanup []func()
	err     error
	missing string // why the run cannot begin: a tool is not there
}

// do runs f, which may end itself by Fatal or Skip, and returns what went wrong so far.
func (h *host) do(f func()) error {
	var done sync.WaitGroup
	done.Go(f) // Fatal ends its goroutine, as it does in a test
	done.Wait()
	return h.failure()
}

func (h *host) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// end runs the cleanups, last first.
func (h *host) end() {
	h.mu.Lock()
	todo := h.cleanup
	h.cleanup = nil
	h.mu.Unlock()
	for i := len(todo) - 1; i >= 0; i-- {
		todo[i]()
	}
}

// Cleanup implements testing.TB.
func (h *host) Cleanup(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cleanup = append(h.cleanup, f)
}

// Context implements testing.TB.
func (h *host) Context() context.Context { return context.Background() }

// Error implements testing.TB.
func (h *host) Error(args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = errors.Join(h.err, errors.New(fmt.Sprint(args...)))
}

// Errorf implements testing.TB.
func (h *host) Errorf(format string, args ...any) { h.Error(fmt.Sprintf(format, args...)) }

// Failed implements testing.TB. The logs are written by the run itself.
func (h *host) Failed() bool { return false }

// Fatal implements testing.TB.
func (h *host) Fatal(args ...any) { h.Error(args...); runtime.Goexit() }

// Fatalf implements testing.TB.
func (h *host) Fatalf(format string, args ...any) { h.Fatal(fmt.Sprintf(format, args...)) }

// Helper implements testing.TB.
func (h *host) Helper() {}

// Log implements testing.TB.
func (h *host) Log(args ...any) { h.say("%s", fmt.Sprint(args...)) }

// Logf implements testing.TB.
func (h *host) Logf(format string, args ...any) { h.Log(fmt.Sprintf(format, args...)) }

// Skip implements testing.TB: a tool is missing, so nothing can be shown.
func (h *host) Skip(args ...any) {
	h.mu.Lock()
	h.missing = strings.TrimPrefix(fmt.Sprint(args...), "not run: ")
	h.mu.Unlock()
	h.Fatal(h.missing)
}

// Skipf implements testing.TB.
func (h *host) Skipf(format string, args ...any) { h.Skip(fmt.Sprintf(format, args...)) }

// TempDir implements testing.TB; the folder goes with that of the run.
func (h *host) TempDir() string {
	dir, err := os.MkdirTemp(h.dir, "bed-")
	if err != nil {
		h.Fatal(err)
	}
	return dir
}

var _ testing.TB = (*host)(nil)
