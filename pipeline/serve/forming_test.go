package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestFormingFramesAreConflatedAndCarryNoID(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("BTCUSDT", 1, 1).record(0, 0, 0)})
	s := stream(t, h, "s=BTCUSDT@1m:kline,ema(3)", "")
	defer s.Close()
	read(t, s)
	for i := range 5 {
		m := testBar("BTCUSDT", 2, 1)
		m.final, m.close = false, fmt.Sprint(200+i)
		h.Forming(0, [][]byte{m.json()})
	}
	if got := read(t, s); len(got) != 0 {
		t.Fatalf("the window is not over, got %v", got)
	}
	fake(h).Advance(formingWindow)
	got := read(t, s)
	if names(got) != "kline indicator" || !strings.Contains(got[0].data, `"c":204,`) || !strings.Contains(got[1].data, `"final":false`) {
		t.Fatalf("%v", got)
	}
	m := testBar("BTCUSDT", 2, 1)
	m.final = false
	h.Forming(0, [][]byte{m.json()})
	h.Apply(0, []Record{testBar("BTCUSDT", 2, 2).record(1, 1, 0)})
	if got := read(t, s); names(got) != "kline indicator" || got[0].id == "" {
		t.Errorf("the closed bar does not replace the forming one: %v", got)
	}
	out, _ := drainNow(s)
	if strings.Contains(string(out), "id:") {
		t.Errorf("left over: %q", out)
	}
}

func TestAFormingBarThatDidNotChangeIsNotSentAgain(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
	s := stream(t, h, "s=A@1m:kline,ema(3)", "")
	defer s.Close()
	read(t, s)
	for i, want := range []string{"kline indicator", "", "", "kline indicator"} {
		m := testBar("A", 2, 1)
		m.final = false
		if i == 3 {
			m.close = "7"
		}
		h.Forming(0, [][]byte{m.json()})
		fake(h).Advance(formingWindow)
		if got := names(read(t, s)); got != want {
			t.Fatalf("round %d: %q, want %q", i, got, want)
		}
	}
	m := testBar("A", 2, 1) // another value on the same bar
	m.final, m.close = false, "7"
	h.Forming(0, [][]byte{[]byte(strings.Replace(string(m.json()), `"v":[1.25]`, `"v":[9.5]`, 1))})
	fake(h).Advance(formingWindow)
	if got := names(read(t, s)); got != "indicator" {
		t.Fatalf("a value that changed alone: %q", got)
	}
}

func TestFormingIsHeldUntilTheLogHasCaughtUp(t *testing.T) {
	h := testHub(1)
	s := stream(t, h, "s=BTCUSDT@1m", "")
	defer s.Close()
	read(t, s)
	ahead := testBar("BTCUSDT", 3, 2) // the worker has closed bars 1 and 2
	ahead.final = false
	h.Forming(0, [][]byte{ahead.json()})
	fake(h).Advance(time.Second)
	if got := read(t, s); len(got) != 0 {
		t.Fatalf("an uncommitted close can be seen: %v", got)
	}
	h.Apply(0, []Record{testBar("BTCUSDT", 1, 1).record(0, 0, 0)})
	if got := read(t, s); names(got) != "kline" {
		t.Fatalf("%v", got)
	}
	h.Apply(0, []Record{testBar("BTCUSDT", 2, 2).record(1, 1, 0)})
	got := read(t, s)
	if names(got) != "kline kline" || !strings.Contains(got[1].data, `"t":180000`) {
		t.Fatalf("the held bar does not follow: %v", got)
	}
	old := testBar("BTCUSDT", 2, 2)
	old.final = false
	h.Forming(0, [][]byte{old.json()})
	fake(h).Advance(time.Second)
	if got := read(t, s); len(got) != 0 {
		t.Errorf("a live bar older than the closed one was shown: %v", got)
	}
}

func TestEveryAndSwitchesOfForming(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
	for query, want := range map[string]string{"": "kline indicator", "&forming=0": "", "&provisional=0": "kline"} {
		s := stream(t, h, "s=A@1m:kline,ema(3)&every=900ms"+query, "")
		read(t, s)
		m := testBar("A", 2, 1)
		m.final = false
		h.Forming(0, [][]byte{m.json()})
		fake(h).Advance(20 * time.Millisecond)
		read(t, s) // the first is due at once
		m.close = "7"
		h.Forming(0, [][]byte{m.json()})
		fake(h).Advance(980 * time.Millisecond)
		if got := names(read(t, s)); got != "" {
			t.Errorf("%s: %s before the second is over", query, got)
		}
		fake(h).Advance(20 * time.Millisecond)
		if got := names(read(t, s)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
		s.Close()
	}
}
