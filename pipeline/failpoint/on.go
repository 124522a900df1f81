//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// setting is what KLINE_FAILPOINT says.
type setting struct {
	point  Point
	action string
	at     int64
	hits   atomic.Int64
}

var configured = sync.OnceValue(func() *setting {
	point, rest, _ := strings.Cut(os.Getenv("KLINE_FAILPOINT"), "=")
	action, at, counted := strings.Cut(rest, "@")
	s := &setting{point: Point(point), action: action, at: 1}
	if counted {
		s.at, _ = strconv.ParseInt(at, 10, 64) // not a number: never hit, and the test that set it fails
	}
	return s
})

// Hit does what is configured for p. The action error does nothing here.
func Hit(p Point) { _ = Err(p) }

// Err does what is configured for p, and returns an error where that is the action.
func Err(p Point) error {
	s := configured()
	if s.point != p || s.hits.Add(1) != s.at {
		return nil
	}
	fmt.Fprintf(os.Stderr, "failpoint %s: %s at hit %d\n", p, s.action, s.at)
	switch s.action {
	case "kill":
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // the signal may take a moment, and nothing may happen in it
	case "panic":
		panic("failpoint " + string(p))
	case "sleep":
		time.Sleep(time.Second)
	case "error":
		return fmt.Errorf("failing at the point %s", p)
	}
	return nil
}
