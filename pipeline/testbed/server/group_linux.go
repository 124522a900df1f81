package server

import "syscall"

// ownGroup puts a child into its own process group, and has the kernel kill it when the test binary is gone: a test that is
// itself killed (a timeout of the runner) runs no cleanup, and would leave a broker of 300 MB behind.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
