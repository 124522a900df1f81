package caddymodule

import (
	"fmt"
	"os/exec"
	"syscall"
)

const canIsolate = true

// isolateProcess lets a process end with this one and, with namespaces, see no
// network but one of its own without an interface.
func isolateProcess(cmd *exec.Cmd, namespaces bool) {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if namespaces {
		attr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
	}
	cmd.SysProcAttr = attr
}

// Limits of a process that examines. 2 GiB of address space are what a Go program
// reserves before it uses any, and compiling the largest module.
const (
	limitMemory  = 2 << 30 // bytes of address space
	limitSeconds = 90      // of processor time
	limitFiles   = 16
)

// limitProcess takes from this process what an examination does not need. A
// limit cannot be raised again.
func limitProcess() error {
	for _, l := range []struct {
		what  int
		value uint64
	}{
		{syscall.RLIMIT_AS, limitMemory}, {syscall.RLIMIT_CPU, limitSeconds}, {syscall.RLIMIT_NOFILE, limitFiles},
		{syscall.RLIMIT_FSIZE, 0}, {syscall.RLIMIT_CORE, 0},
	} {
		if err := syscall.Setrlimit(l.what, &syscall.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("setting limit %d: %w", l.what, err)
		}
	}
	return nil
}
