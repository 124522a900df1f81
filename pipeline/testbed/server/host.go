package server

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

// Host lets servers run outside a test, or beyond the end of one. The embedded interface is nil: it is there for the unexported
// method of testing.TB, and this package calls no other method than those below. It may be used by several goroutines.
type Host struct {
	testing.TB
	// Logs makes the servers tell the ends of their logs when something has failed.
	Logs bool

	dir string
	say func(format string, args ...any)

	mu      sync.Mutex // protects the rest
	cleanup []func()
	errs    []error
	missing string
}

// NewHost keeps the folders of servers below dir, which must exist, and tells by say what a test would log.
func NewHost(dir string, say func(format string, args ...any)) *Host {
	return &Host{dir: dir, say: say}
}

// Do runs f, which may end itself by Fatal or Skip, and returns what went wrong meanwhile.
func (h *Host) Do(f func()) error {
	before := len(h.failures())
	var done sync.WaitGroup
	done.Go(f) // Fatal ends its goroutine, as it does in a test
	done.Wait()
	return errors.Join(h.failures()[before:]...)
}

// Failure is all that went wrong so far.
func (h *Host) Failure() error { return errors.Join(h.failures()...) }

func (h *Host) failures() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.errs[:len(h.errs):len(h.errs)]
}

// Missing is what the machine lacks, "" if nothing that was asked for.
func (h *Host) Missing() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.missing
}

// End runs the cleanups, last first.
func (h *Host) End() {
	h.mu.Lock()
	todo := h.cleanup
	h.cleanup = nil
	h.mu.Unlock()
	for i := len(todo) - 1; i >= 0; i-- {
		todo[i]()
	}
}

// Cleanup implements testing.TB.
func (h *Host) Cleanup(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cleanup = append(h.cleanup, f)
}

// Context implements testing.TB.
func (h *Host) Context() context.Context { return context.Background() }

// Error implements testing.TB.
func (h *Host) Error(args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errs = append(h.errs, errors.New(fmt.Sprint(args...)))
}

// Errorf implements testing.TB.
func (h *Host) Errorf(format string, args ...any) { h.Error(fmt.Sprintf(format, args...)) }

// Failed implements testing.TB.
func (h *Host) Failed() bool { return h.Logs && len(h.failures()) > 0 }

// Fatal implements testing.TB.
func (h *Host) Fatal(args ...any) { h.Error(args...); runtime.Goexit() }

// Fatalf implements testing.TB.
func (h *Host) Fatalf(format string, args ...any) { h.Fatal(fmt.Sprintf(format, args...)) }

// Helper implements testing.TB.
func (h *Host) Helper() {}

// Log implements testing.TB.
func (h *Host) Log(args ...any) { h.say("%s", fmt.Sprint(args...)) }

// Logf implements testing.TB.
func (h *Host) Logf(format string, args ...any) { h.Log(fmt.Sprintf(format, args...)) }

// Skip implements testing.TB. What a test may leave out is an error here: nothing can be shown without it.
func (h *Host) Skip(args ...any) {
	missing := strings.TrimPrefix(fmt.Sprint(args...), "not run: ")
	h.mu.Lock()
	h.missing = missing
	h.mu.Unlock()
	h.Fatal(missing)
}

// Skipf implements testing.TB.
func (h *Host) Skipf(format string, args ...any) { h.Skip(fmt.Sprintf(format, args...)) }

// TempDir implements testing.TB; the folder goes with that of the run.
func (h *Host) TempDir() string {
	dir, err := os.MkdirTemp(h.dir, "bed-")
	if err != nil {
		h.Fatal(err)
	}
	return dir
}

var _ testing.TB = (*Host)(nil)
