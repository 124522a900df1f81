//go:build unix && !linux

package server

import "syscall"

// ownGroup puts a child into its own process group. There is no death signal here: a test binary that is killed leaves its
// children behind.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
