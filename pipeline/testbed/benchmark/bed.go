package main

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

// bed lets the servers of the test bed run outside a test. The embedded interface is nil: it is there for the unexported method of
// testing.TB, and the test bed calls no other method than those below.
type bed struct {
	testing.TB
	dir     string
	cleanup []func()
	err     error
}

func newBed(dir string) *bed { return &bed{dir: dir} }

// do runs f, which may end itself by Fatal or Skip, and returns what it said.
func (b *bed) do(f func(testing.TB)) error {
	b.err = nil
	var done sync.WaitGroup
	done.Go(func() { f(b) }) // Fatal ends its goroutine, as it does in a test
	done.Wait()
	return b.err
}

// end runs the cleanups, last first.
func (b *bed) end() {
	for i := len(b.cleanup) - 1; i >= 0; i-- {
		b.cleanup[i]()
	}
	b.cleanup = nil
}

// Cleanup implements testing.TB.
func (b *bed) Cleanup(f func()) { b.cleanup = append(b.cleanup, f) }

// Context implements testing.TB.
func (b *bed) Context() context.Context { return context.Background() }

// Error implements testing.TB.
func (b *bed) Error(args ...any) { b.err = errors.Join(b.err, errors.New(fmt.Sprint(args...))) }

// Errorf implements testing.TB.
func (b *bed) Errorf(format string, args ...any) { b.Error(fmt.Sprintf(format, args...)) }

// Failed implements testing.TB.
func (b *bed) Failed() bool { return b.err != nil }

// Fatal implements testing.TB.
func (b *bed) Fatal(args ...any) { b.Error(args...); runtime.Goexit() }

// Fatalf implements testing.TB.
func (b *bed) Fatalf(format string, args ...any) { b.Fatal(fmt.Sprintf(format, args...)) }

// Helper implements testing.TB.
func (b *bed) Helper() {}

// Log implements testing.TB.
func (b *bed) Log(args ...any) { say("%s", fmt.Sprint(args...)) }

// Logf implements testing.TB.
func (b *bed) Logf(format string, args ...any) { b.Log(fmt.Sprintf(format, args...)) }

// Skip implements testing.TB: what a test may leave out, a measurement misses.
func (b *bed) Skip(args ...any) { b.Fatal(strings.TrimPrefix(fmt.Sprint(args...), "not run: ")) }

// Skipf implements testing.TB.
func (b *bed) Skipf(format string, args ...any) { b.Skip(fmt.Sprintf(format, args...)) }

// TempDir implements testing.TB; the folder goes with that of the run.
func (b *bed) TempDir() string {
	dir, err := os.MkdirTemp(b.dir, "bed-")
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

var _ testing.TB = (*bed)(nil)
