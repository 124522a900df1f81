package serve

import (
	"errors"
	"strings"
)

// without answers from the log and memory while no store does. Rows that begin at
// a given time cannot begin anywhere else; the newest ones can be fewer.
func (d *deepRead) without(cause error) error {
	if err := d.parent.Err(); err != nil {
		return err
	}
	d.down = true
	low := firstOpen
	if d.q.HasFrom {
		low = d.q.From
	}
	known := d.fromLog(low)
	d.parts(never)
	if d.whole = known == never; d.whole {
		return nil
	}
	if d.q.HasFrom || d.page.bars.len() == 0 {
		return d.unavailable(cause)
	}
	d.miss(low, known)
	return nil
}

// unavailable is the answer for a client whose bars are in a store alone. The
// cause is for the operator: the observer of the stores was told.
func (d *deepRead) unavailable(cause error) error {
	names := make([]string, len(d.gates))
	for i, g := range d.gates {
		names[i] = g.store.Name()
	}
	why := "does not answer"
	if errors.Is(cause, errBusy) {
		why = "is busy"
	}
	return &Problem{Status: 503, Code: CodeHistoryAway, RetryAfter: 2,
		Detail: "these bars are in the history (" + strings.Join(names, ", ") + "), which " + why + " just now; those in memory are answered"}
}
