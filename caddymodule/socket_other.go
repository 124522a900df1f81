//go:build !linux

package caddymodule

import (
	"syscall"
	"time"
)

// setSocket does nothing: the options are Linux's.
func setSocket(syscall.RawConn, int, time.Duration) {}
