//go:build unix

package caddymodule

import (
	"io/fs"
	"syscall"
)

// fileOwner is the number of the user that a file belongs to.
func fileOwner(info fs.FileInfo) (id int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}
