//go:build unix

package registry

import (
	"errors"
	"syscall"
)

// full tells whether a write failed for want of room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
