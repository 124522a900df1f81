package serve

import (
	"strings"
	"testing"
)

func TestResumeReasons(t *testing.T) {
	cfg := testConfig(1)
	cfg.RingBytes = 20000
	h := NewHub(cfg)
	h.Loaded()
	for i := range int64(40) {
		m := testBar("BTCUSDT", i+1, i+1)
		if i == 0 {
			h.Apply(0, []Record{{Offset: 0, So: 0, Value: testBar("QUIET", 1, 1).json()}})
		}
		h.Apply(0, []Record{m.record(i+1, i+1, 0)})
	}
	for query, want := range map[string]string{
		"s=BTCUSDT@1m&last_event_id=v1.k3.1":  resetExpired,
		"s=BTCUSDT@1m&last_event_id=v1.k3.z":  "",
		"s=QUIET@1m&last_event_id=v1.k3.0":    "", // its only frame left the ring, and the client has it
		"s=QUIET@1m&last_event_id=v1.k3._":    resetExpired,
		"s=BTCUSDT@1m&last_event_id=v9.k3.1":  resetForeign,
		"s=BTCUSDT@1m&last_event_id=v1.k3.zz": resetForeign, // the future
	} {
		s := stream(t, h, query, "")
		got := readLate(t, s)
		if want == "" && got[0].event != eventPos || want != "" && !strings.Contains(got[0].data, `"reason":"`+want+`"`) {
			t.Errorf("%s: %v, want %q", query, got[0], want)
		}
		s.Close()
	}
}

func TestResumeBeyondItsBoundsIsAnOverflow(t *testing.T) {
	h := testHub(1)
	var recs []Record
	for i := range int64(DefaultReplay + 1) {
		m := testBar("BTCUSDT", i+1, i+1)
		m.values = 0
		recs = append(recs, m.record(i, i, 0))
	}
	h.Apply(0, recs)
	for id, want := range map[string]string{"v1.k3._": eventReset, "v1.k3.0": eventPos} {
		s := stream(t, h, "s=BTCUSDT@1m", id)
		if got := read(t, s); got[0].event != want {
			t.Errorf("%s: %d events, the first is %v", id, len(got), got[0])
		}
		s.Close()
	}
}

func TestLogFollowedFromTheMiddleExpiresOlderIDs(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("BTCUSDT", 9, 9).record(700, 50, 0)})
	s := stream(t, h, "s=BTCUSDT@1m", "v1.k3.5")
	defer s.Close()
	if got := read(t, s); names(got) != "reset snapshot" || !strings.Contains(got[0].data, resetExpired) {
		t.Errorf("%v", got)
	}
}

// What the ring counts is what it holds, and the oldest leaves it when that is too much.
func TestRingStaysWithinItsBound(t *testing.T) {
	const limit = 50_000
	cfg := testConfig(1)
	cfg.RingBytes = limit
	h := NewHub(cfg)
	h.Loaded()
	for i := range int64(3000) { // so many that it moves its entries
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
		held := int64(0)
		for j := range h.ring.entries[h.ring.head:] {
			held += h.ring.entries[h.ring.head+j].cost()
		}
		if got := h.Counters().Ring; got != held || got > limit {
			t.Fatalf("after %d records the ring says %d bytes, its entries %d, of %d allowed", i+1, got, held, limit)
		}
	}
	e := h.ring.get(h.find("A", "1m").newestEntry)
	if e == nil || e.at.so != 2999 || h.ring.get(e.prev).at.so != 2998 {
		t.Errorf("the newest entry is %+v", e)
	}
}
