package e2e

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Two groups whose output_prefix is the same, by mistake, begin at once on empty topics: one works, the other says why it waits, and takes over
// when the first is gone. Brokers would take the units of both.
func TestServersOfTwoGroupsWithOnePrefixOneWorks(t *testing.T) {
	t.Parallel()
	p := newServers(t).place(3)
	p.session = "6s"
	one := launch(t, p, "", os.Getenv("KLINE_BIN"))
	load := startFlow(t, one, 300, 1)
	p.group = p.name + "-staging"
	two := launch(t, p, "", os.Getenv("KLINE_BIN"))
	p.group = ""
	waits := func(b *bed) bool {
		s := b.status()
		return !s.Ready && strings.Contains(strings.Join(s.Reasons, " "), "another group works on the same topics")
	}
	f := &fleet{t: t, place: p, nodes: []*bed{one, two}}
	works, other := one, two
	f.eventually(patience, "one node works and the other says why it waits", func() bool {
		if works, other = one, two; waits(one) {
			works, other = two, one
		}
		return works.status().Ready && waits(other)
	})
	for settled := time.Now().Add(10 * time.Second); time.Now().Before(settled); time.Sleep(20 * time.Millisecond) {
		if !waits(other) {
			t.Fatalf("both work: %+v", other.status())
		}
	}
	works.kill()
	took := f.eventually(patience, "the other takes over", func() bool { return other.status().Ready })
	t.Logf("the other took over after %s (session 6s)", took.Round(time.Millisecond))
	works.node.Restart()
	f.eventually(patience, "the first one waits", func() bool { return waits(works) })
	load.stop()
	load.done.Wait()
	other.settle(patience)
	time.Sleep(5 * time.Second) // whatever is still open of the seconds is closed by the clock
	other.check(allIntervals, false)
	if n := f.repeats(); n > 0 {
		t.Errorf("a read_committed reader of klines sees %d positions twice", n)
	}
}
