// Package safego starts every goroutine of the pipeline.
//
// A panic in a goroutine that nobody recovers ends the whole process, and with
// it every other site that the same Caddy serves: net/http recovers only its
// own goroutines. So no room of the pipeline uses a bare go statement; a test
// walks the syntax tree and fails on one.
//
// The central type is the Handle: whoever starts a goroutine keeps it and waits
// for it. A goroutine that panics ends; what was lost with it is the starter's
// decision, made in onPanic.
//
// The package does not log, and restarts nothing but what Keep was asked to: a blind
// restart of a worker whose state is broken would publish wrong numbers.
package safego

import (
	"fmt"
	"runtime/debug"
)

// PanicError is what onPanic receives: the value of the panic and its stack.
type PanicError struct {
	// Name is the name given to Go.
	Name string
	// Value is the argument of panic.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// Error names the goroutine and the panic. The stack is left to the caller's
// log, where it belongs once.
func (e *PanicError) Error() string {
	return fmt.Sprintf("running %s: panic: %v", e.Name, e.Value)
}

// Handle stands for one started goroutine.
type Handle struct {
	done chan struct{}
}

// Go runs f in a goroutine of its own. If f panics, onPanic (if not nil) is
// called in that goroutine with a *PanicError. The goroutine counts as running
// until onPanic has returned.
func Go(name string, onPanic func(error), f func()) *Handle {
	h := &Handle{done: make(chan struct{})}
	go func() {
		defer close(h.done)
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if onPanic != nil {
				onPanic(&PanicError{Name: name, Value: v, Stack: debug.Stack()})
			}
		}()
		f()
	}()
	return h
}

// Keep is Go for a task whose end nobody would notice, and which begins with nothing
// that a panic could have broken: after one, onPanic is called, then pause, which waits
// and reports whether f shall run again.
func Keep(name string, onPanic func(error), pause func() bool, f func()) *Handle {
	return Go(name, onPanic, func() {
		again := true
		for again {
			again = !returned(name, onPanic, f) && pause()
		}
	})
}

// returned runs f and reports whether it returned, rather than panicked.
func returned(name string, onPanic func(error), f func()) (ok bool) {
	defer func() {
		if v := recover(); v != nil && onPanic != nil {
			onPanic(&PanicError{Name: name, Value: v, Stack: debug.Stack()})
		}
	}()
	f()
	return true
}

// Wait returns when the goroutine has ended.
func (h *Handle) Wait() { <-h.done }

// Done is closed when the goroutine has ended.
func (h *Handle) Done() <-chan struct{} { return h.done }
