package kafka

import (
	"errors"
	"strings"
	"testing"
)

// Where all topics have more partitions, producers send most keys to another one: a
// partition that went on, or one that began, would have half a symbol each.
func TestPartitionsThatWereAddedToAllTopicsAreFailed(t *testing.T) {
	b := newBed(t, 2)
	b.trades(0, 1, 5)
	b.save(b.client(-1), 5, make([]byte, 16)) // partition 1 has no state
	all := []string{"ticks"}
	for _, k := range b.topics.Outputs() {
		all = append(all, b.topics.Name(k))
	}
	if _, err := b.adm.UpdatePartitions(b.ctx(), 4, all...); err != nil {
		t.Fatal(err)
	}
	layout, err := Ensure(b.ctx(), b.at, b.topics, EnsureOptions{})
	if err != nil || layout.N != 4 {
		t.Fatalf("layout %+v, %v", layout, err)
	}
	b.cl.ForceMetadataRefresh()
	b.trades(0, 6, 5)
	b.trades(3, 1, 5)
	l := b.live(true, func(c *ClientConfig, _ *summer) { c.Layout = layout })
	for p := range int32(4) {
		eventually(t, "the partition failed", func() bool { return l.failure(p) != nil })
		err := l.failure(p)
		if !errors.Is(err, ErrCountChanged) || !strings.Contains(err.Error(), `the state is of 2 partitions, topic "ticks" has 4`) ||
			!strings.Contains(err.Error(), "another group and output_prefix") {
			t.Errorf("partition %d: got %v", p, err)
		}
		if sums, _ := b.sums(p); len(sums) > 0 {
			t.Errorf("partition %d published %v", p, sums)
		}
	}
}

// A state of a version that did not write the number, and partitions that get their
// first trades later than others, go on.
func TestPartitionsWithoutStateBeginBesideOthers(t *testing.T) {
	for name, forget := range map[string]bool{"of the same number": false, "of a version that does not say": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, 2)
			b.trades(0, 1, 5)
			old := b.client(-1)
			if forget {
				old.cfg.Layout.N = 0
			}
			b.save(old, 0, make([]byte, 16))
			b.trades(1, 1, 5)
			l := b.live(true)
			eventually(t, "both partitions went on", func() bool {
				first, _ := b.sums(0)
				second, _ := b.sums(1)
				return len(first) == 5 && len(second) == 5 || l.failure(0) != nil || l.failure(1) != nil
			})
			if err := errors.Join(l.failure(0), l.failure(1)); err != nil {
				t.Error(err)
			}
		})
	}
}
