//go:build synctests

package sim

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// traceLines is how much of what happened a failed seed prints.
const traceLines = 400

// trace keeps the newest lines of what happened in a seed, with the virtual time
// since its beginning.
type trace struct {
	begun time.Time

	mu    sync.Mutex // protects lines
	lines []string
}

func (t *trace) add(who, what string, kv ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, "%9.3f %-5s %s", time.Since(t.begun).Seconds(), who, what)
	for i := 0; i+1 < len(kv); i += 2 {
		fmt.Fprintf(&b, " %v=%v", kv[i], kv[i+1])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) >= 2*traceLines {
		t.lines = append(t.lines[:0], t.lines[traceLines:]...)
	}
	t.lines = append(t.lines, b.String())
}

// String is what happened last.
func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines[max(0, len(t.lines)-traceLines):], "\n")
}
