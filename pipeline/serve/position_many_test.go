package serve

import (
	"context"
	"net/url"
	"strings"
	"testing"
)

// TestATopicOfManyPartitionsRefusesNobodyWhoComesBack: an id names every partition, and what
// is longer than 1 KiB is refused. Whoever was given such an id could never come back.
func TestATopicOfManyPartitionsRefusesNobodyWhoComesBack(t *testing.T) {
	const partitions = 300
	h := testHub(partitions)
	for p := range int32(partitions) {
		m := testBar("S"+strings.Repeat("x", int(p)%20), int64(p), int64(p))
		h.Apply(p, []Record{m.record(1, 2_000_000_000_000+int64(p), 0)})
	}
	open := func(lastID string) *Subscriber {
		t.Helper()
		o, p := h.ParseStream(context.Background(), url.Values{"s": {"S@1m"}}, lastID)
		if p != nil {
			t.Fatalf("a client that comes back with an id of %d bytes is refused: %s", len(lastID), p.Detail)
		}
		s, err := h.Subscribe(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	s := open("")
	got := read(t, s)
	m := testBar("S", 60, 60)
	h.Apply(0, []Record{m.record(2, 2_000_000_001_000, 0)})
	got = append(got, read(t, s)...)
	last := ""
	for _, e := range got {
		if !CheckID(e.id) {
			t.Fatalf("an event has an id of %d bytes", len(e.id))
		}
		if e.id != "" {
			last = e.id
		}
	}
	if last == "" {
		t.Fatalf("no event has an id: %v", got)
	}
	for _, id := range []string{last, h.Position()} {
		if again := read(t, open(id)); len(again) == 0 || again[0].event != eventReset {
			t.Errorf("the answer begins with %v, want a reset", again[:min(len(again), 1)])
		}
	}
}
