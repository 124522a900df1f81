//go:build unix

package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// diary keeps what was done when. It is written beside the logs of a run that failed.
type diary struct {
	began time.Time
	say   func(format string, args ...any)

	mu    sync.Mutex // protects the rest
	lines []string
	count map[Kind]int
	total map[string]int // further counts, such as single reloads
	worst time.Duration  // that a node took to be ready
}

func newDiary(say func(string, ...any)) *diary {
	return &diary{began: time.Now(), say: say, count: map[Kind]int{}, total: map[string]int{}}
}

// note writes one line with the time of now.
func (d *diary) note(format string, args ...any) {
	now := time.Now()
	line := fmt.Sprintf("%s %7.1fs %s", now.UTC().Format("15:04:05.000"), now.Sub(d.began).Seconds(), fmt.Sprintf(format, args...))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
	d.say("%s", line)
}

// made counts a fault that has happened.
func (d *diary) made(k Kind) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count[k]++
}

// add counts something else.
func (d *diary) add(what string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total[what] += n
}

// slowest remembers the longest time that a node took to be ready.
func (d *diary) slowest(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.worst = max(d.worst, took)
}

// sum is how many faults of the kinds have happened.
func (d *diary) sum(kinds ...Kind) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range kinds {
		n += d.count[k]
	}
	return n
}

func (d *diary) of(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total[what]
}

// table lists the faults by kind.
func (d *diary) table() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(d.count)) {
		fmt.Fprintf(&b, "  %-24s %6d\n", k, d.count[k])
	}
	for _, k := range slices.Sorted(maps.Keys(d.total)) {
		fmt.Fprintf(&b, "  %-24s %6d\n", k, d.total[k])
	}
	return b.String()
}

// text is the whole diary.
func (d *diary) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, "\n") + "\n"
}
