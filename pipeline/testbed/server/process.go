//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// command is what to start: the program, its arguments, its working directory and its whole environment.
type command struct {
	path string
	args []string
	dir  string
	env  []string // nil = the environment of the test
	user *syscall.Credential
}

// Process is one running child. Its methods may be called from any goroutine of the test.
type Process struct {
	name string
	cmd  *exec.Cmd
	log  *Log
	wait sync.WaitGroup
	done chan struct{} // closed when the child is gone; err is set before
	err  error
}

// start runs c in a process group of its own and appends its output to log.
//
// The child is watched by the one goroutine of this package. It ends when the child does, and every way to end the child waits for it.
func start(name string, c command, log *Log) (*Process, error) {
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	cmd.SysProcAttr.Credential = c.user
	// A grandchild that keeps the output pipe open would make Wait hang after the child is dead. Below some seconds a busy
	// machine that has not read the last lines yet would make an error of an end in good order.
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	p.wait.Go(func() {
		p.err = cmd.Wait()
		close(p.done)
	})
	return p, nil
}

// PID returns the process id, which is also the id of its process group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the child is gone, however it ended.
func (p *Process) Exited() <-chan struct{} { return p.done }

// Running reports whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ExitCode waits at most the limit for the child to end and returns its exit code, -1 when a signal ended it. It fails when the child
// is still running then.
func (p *Process) ExitCode(limit time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for the end of %s: still alive after %v; end of its log:\n%s", p.name, limit, p.log.Tail(30))
	}
}

// Signal sends s to the child and its group, as a terminal does.
func (p *Process) Signal(s syscall.Signal) error { return p.signalGroup(s) }

// signalGroup sends s to every process of the group. A child that is gone already is no error.
func (p *Process) signalGroup(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	if err := syscall.Kill(-p.PID(), s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %v to %s: %w", s, p.name, err)
	}
	return nil
}

// Kill9 kills the whole group with SIGKILL and returns when the child is gone.
func (p *Process) Kill9() error {
	if err := p.signalGroup(syscall.SIGKILL); err != nil {
		return err
	}
	p.wait.Wait()
	return nil
}

// exitTerminated is how a Java runtime says that SIGTERM ended it in order.
const exitTerminated = 143

// Stop asks the child to end (SIGTERM) and waits at most the deadline; then it kills the group and returns an error with the end
// of the log. An exit status other than 0 is an error as well.
func (p *Process) Stop(deadline time.Duration) error {
	if err := p.signalGroup(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		if err := p.Kill9(); err != nil {
			return err
		}
		return fmt.Errorf("stopping %s: still alive %v after SIGTERM, killed; end of its log:\n%s", p.name, deadline, p.log.Tail(30))
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok && exit.ExitCode() == exitTerminated {
		return nil
	}
	if p.err != nil {
		return fmt.Errorf("stopping %s: %w; end of its log:\n%s", p.name, p.err, p.log.Tail(30))
	}
	return nil
}

// Pause stops the child with SIGSTOP: it keeps its sockets and answers nothing, as a node in a long pause does.
func (p *Process) Pause() error { return p.signalGroup(syscall.SIGSTOP) }

// Continue lets a paused child run again.
func (p *Process) Continue() error { return p.signalGroup(syscall.SIGCONT) }

// cleanup kills the child at the end of the test; it is called by the cleanups of the servers, after those of the test itself.
func (p *Process) cleanup(t testing.TB) {
	t.Helper()
	if err := p.Kill9(); err != nil {
		t.Errorf("cleaning up: %v", err)
	}
}

// poll calls try every interval until it returns nil. It ends early when the child is gone, and after limit; the error then
// carries the last one of try and the end of the log.
func (p *Process) poll(interval, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return &exitError{name: p.name, cause: p.err, tail: p.log.Tail(30)}
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: not ready after %v: %w; end of its log:\n%s", p.name, limit, err, p.log.Tail(30))
		case <-tick.C:
		}
	}
}

// exitError says that a child ended before it was ready.
type exitError struct {
	name  string
	cause error
	tail  string
}

func (e *exitError) Error() string {
	return fmt.Sprintf("waiting for %s: it ended early (%v); end of its log:\n%s", e.name, e.cause, e.tail)
}

func (e *exitError) Unwrap() error { return e.cause }

// lookup returns the path of a program, or skips the test with the line that tells how to get it.
func lookup(t testing.TB, program, env, how string) string {
	t.Helper()
	if path := os.Getenv(env); path != "" {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("reading %s: %v", env, err)
		}
		return path
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("not run: %s is missing: %s", program, how)
	}
	return path
}
