package caddymodule

import (
	"syscall"
	"time"
)

// Options of tcp(7) that package syscall does not name.
const (
	tcpUserTimeout  = 0x12 // ms until unacknowledged data ends the connection
	tcpNotSentLowat = 0x19 // bytes not sent yet above which a socket takes no more
)

// setSocket sets both bounds; 0 is the kernel's own. What cannot be set stays as it
// is: a socket of another family, a kernel that is older than the option, a
// connection that is closed already.
func setSocket(raw syscall.RawConn, unsent int, patience time.Duration) {
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, unsent)                      // #nosec G115 -- a descriptor
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(patience.Milliseconds())) // #nosec G115 -- a descriptor
	})
}
