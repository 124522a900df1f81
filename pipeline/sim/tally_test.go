//go:build synctests

package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// tally counts, over all seeds of a run, what happened: a run that never met a
// fault has not tested it.
type tally struct {
	mu       sync.Mutex // protects all fields
	hits     map[string]int
	requests map[kmsg.Key]int // sent by nodes
}

func newTally() *tally { return &tally{hits: map[string]int{}, requests: map[kmsg.Key]int{}} }

func (t *tally) hit(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hits[what] += n
}

func (t *tally) request(key kmsg.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests[key]++
}

func (t *tally) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hits[what]
}

// String lists what was counted, by name.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t.hits)) {
		fmt.Fprintf(&b, "\n  %7d %s", t.hits[what], what)
	}
	return b.String()
}
