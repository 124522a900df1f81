//go:build unix

package wasmhost

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

func privateDir(dir string, fi fs.FileInfo) error {
	if perm := fi.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%q has mode %04o, others may plant code there: chmod 700 it", dir, perm)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%q belongs to user %d, this process is user %d: chown it", dir, st.Uid, os.Geteuid())
	}
	return nil
}
