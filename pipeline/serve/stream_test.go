package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

func TestFirstBytesAreTheRetryBlockBeforeAnyLookUp(t *testing.T) {
	h := testHub(1)
	s := stream(t, h, "s=BTCUSDT@1m", "")
	defer s.Close()
	b, err := s.Next(context.Background())
	if err != nil || !strings.HasPrefix(string(b), "retry: ") || !strings.HasSuffix(string(b), "\n\n") {
		t.Fatalf("%q, %v", b, err)
	}
	if h.symbols["BTCUSDT"] != nil {
		t.Error("the first bytes waited for a look-up")
	}
}

func TestEveryConnectBeginsWithAnID(t *testing.T) {
	h := testHub(1)
	for query, want := range map[string]string{
		"s=NOBODY@1m":                          "snapshot",
		"s=NOBODY@1m&snapshot=0":               "pos",
		"s=NOBODY@1m&last_event_id=nonsense":   "reset snapshot",
		"s=NOBODY@1m,5m":                       "snapshot snapshot",
		"s=NOBODY@1m&last_event_id=v1.k3._":    "pos",
		"s=NOBODY@1m&last_event_id=v1.k3.5":    "reset snapshot",
		"s=NOBODY@1m&last_event_id=v1.other._": "reset snapshot",
	} {
		s := stream(t, h, query, "")
		got := readLate(t, s)
		if names(got) != want || got[len(got)-1].id != "v1.k3._" {
			t.Errorf("%s: %v", query, got)
		}
		s.Close()
	}
	if len(h.symbols) != 0 {
		t.Errorf("streams of invented symbols left %d behind", len(h.symbols))
	}
}

func TestStreamWaitsForTheHubAndKeepsItsID(t *testing.T) {
	h := NewHub(testConfig(1))
	h.Apply(0, []Record{testBar("BTCUSDT", 1, 1).record(0, 0, 0)})
	s := stream(t, h, "s=BTCUSDT@1m", "v1.k3.0")
	defer s.Close()
	if got := read(t, s); len(got) != 0 {
		t.Fatalf("before it is ready the stream says %v", got)
	}
	fake(h).Advance(15 * time.Second)
	if got := read(t, s); names(got) != "pos" || got[0].id != "" {
		t.Fatalf("the heartbeat is %v", got)
	}
	h.Loaded()
	if got := read(t, s); names(got) != "pos" || got[0].data != `{"resume":"v1.k3.0","frames":0}` {
		t.Fatalf("the resume is %v", got)
	}
}

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

func TestSlowStreamIsCutAndOthersAreNot(t *testing.T) {
	h := testHub(1)
	slow, fast := stream(t, h, "s=A@1m", ""), stream(t, h, "s=A@1m", "")
	defer slow.Close()
	defer fast.Close()
	read(t, slow)
	read(t, fast)
	for i := range int64(DefaultBuffer + 1) {
		m := testBar("A", i+1, i+1)
		m.values = 0
		h.Apply(0, []Record{m.record(i, i, 0)})
		if got := read(t, fast); len(got) != 1 {
			t.Fatalf("bar %d: the fast stream got %v", i, got)
		}
	}
	if _, err := drainNow(slow); !errors.Is(err, ErrSlow) {
		t.Errorf("the slow stream got %v", err)
	}
	if n := h.Counters().Overflows; n != 1 {
		t.Errorf("%d overflows", n)
	}
}

func TestHeartbeatCarriesThePositionOfTheHub(t *testing.T) {
	h := testHub(1)
	s := stream(t, h, "s=A@1m", "")
	defer s.Close()
	read(t, s)
	h.Apply(0, []Record{testBar("B", 1, 1).record(0, 7, 0)})
	fake(h).Advance(15 * time.Second)
	if got := read(t, s); names(got) != "pos" || got[0].id != "v1.k3.7" || got[0].data != "{}" {
		t.Errorf("%v", got)
	}
	fake(h).Advance(14 * time.Second)
	if got := read(t, s); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
}

func TestDrainSpreadsByesOverTheWindow(t *testing.T) {
	h := testHub(1)
	var all []*Subscriber
	for range 200 {
		s := stream(t, h, "s=A@1m", "")
		read(t, s)
		all = append(all, s)
	}
	h.Drain(10 * time.Second)
	h.Drain(time.Hour) // acts once
	ended := make([]int, 0, 11)
	for range 11 {
		n := 0
		for i, s := range all {
			if s == nil {
				continue
			}
			got := read(t, s)
			if len(got) == 0 {
				continue
			}
			if names(got) != "bye" || !strings.Contains(got[0].data, `"drain"`) {
				t.Fatalf("%v", got)
			}
			if _, err := s.Next(context.Background()); !errors.Is(err, io.EOF) {
				t.Fatalf("after bye: %v", err)
			}
			s.Close()
			all[i] = nil
			n++
		}
		ended = append(ended, n)
		fake(h).Advance(time.Second)
	}
	for i, n := range ended[1:] {
		if n < 5 || n > 45 {
			t.Errorf("second %d: %d of 200 streams ended (%v)", i, n, ended)
		}
	}
	if err := h.AwaitEmpty(context.Background()); err != nil {
		t.Error(err)
	}
	late := stream(t, h, "s=A@1m", "")
	defer late.Close()
	if got := read(t, late); names(got) != "bye" {
		t.Errorf("a stream after the window got %v", got)
	}
}

func TestProcessLimitSaysBusy(t *testing.T) {
	cfg := testConfig(1)
	cfg.MaxStreams = 1
	h := NewHub(cfg)
	h.Loaded()
	first := stream(t, h, "s=A@1m", "")
	second := stream(t, h, "s=A@1m", "")
	out, err := drainNow(second)
	if !errors.Is(err, io.EOF) || !strings.HasPrefix(string(out), "retry: 30000\n\n") || !strings.Contains(string(out), `"busy"`) {
		t.Errorf("%q, %v", out, err)
	}
	second.Close()
	first.Close()
	third := stream(t, h, "s=A@1m", "")
	defer third.Close()
	if got := read(t, third); names(got) != "snapshot" {
		t.Errorf("the place is not free again: %v", got)
	}
}

func TestRotateEndsWithinItsShare(t *testing.T) {
	h := testHub(1)
	o, p := h.ParseStream(map[string][]string{"s": {"A@1m"}}, "")
	if p != nil {
		t.Fatal(p)
	}
	o.MaxDuration = 10 * time.Minute
	s, err := h.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	read(t, s)
	fake(h).Advance(7*time.Minute + 59*time.Second)
	if got := names(read(t, s)); got != eventPos {
		t.Errorf("before 80 %%: %q", got)
	}
	fake(h).Advance(2*time.Minute + time.Second)
	if got := read(t, s); names(got) != "bye" || !strings.Contains(got[0].data, "rotate") {
		t.Errorf("after 100 %%: %v", got)
	}
}

func TestNextWakesOnABatch(t *testing.T) {
	h := testHub(1)
	s := stream(t, h, "s=A@1m", "")
	defer s.Close()
	read(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	done := make(chan string, 1)
	loop := safego.Go("stream", nil, func() {
		b, _ := s.Next(ctx)
		done <- string(b)
	})
	defer loop.Wait()
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
	if got := <-done; !strings.Contains(got, "event: kline") {
		t.Errorf("%q", got)
	}
}

func TestTooManyRestatedPointsBeginTheSeriesAnew(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0)})
	s := stream(t, h, "s=A@1m:kline,ema(3)", "")
	defer s.Close()
	read(t, s)
	ts, vs := strings.Repeat("60000,", maxRestated), strings.Repeat("1,", maxRestated)
	json := fmt.Sprintf(`{"sym":"A","itv":"1m","ind":"ema(3)","rev":1,"seq":2,"why":"late","ver":"9f3c1a77","out":["value"],"t":[%s60000],"v":[[%s2]]}`, ts, vs)
	h.Apply(0, []Record{{Offset: 1, So: 1, Kind: KindRestated, Value: []byte(json)}})
	got := read(t, s)
	if names(got) != "reset snapshot" || got[0].id != "" || got[1].id != "v1.k3.1" || !strings.Contains(got[0].data, `"series":["A@1m:ema(3)"]`) {
		t.Fatalf("%v", got)
	}
	again := stream(t, h, "s=A@1m:kline,ema(3)", "v1.k3.0")
	defer again.Close()
	if got := read(t, again); got[0].event != eventReset {
		t.Errorf("a resume over the reset: %v", got)
	}
}

func TestSnapshotShape(t *testing.T) {
	h := testHub(1)
	h.Apply(0, []Record{testBar("A", 1, 1).record(0, 0, 0), testBar("A", 2, 2).record(1, 1, 0)})
	m := testBar("A", 3, 2)
	m.final = false
	h.Forming(0, [][]byte{m.json()})
	s := stream(t, h, "s=A@1m:kline,ema(3)&snapshot=2", "")
	defer s.Close()
	got := read(t, s)
	if names(got) != "snapshot" {
		t.Fatalf("%v", got)
	}
	v := decode[struct {
		Bars    []struct{ Seq int }
		Forming struct{ Final *bool }
		Ind     map[string]struct {
			T       []int64
			Value   []float64
			Forming struct{ Final *bool }
		}
		Of, I int
		Pos   string
	}](t, got[0].data)
	ema := v.Ind["ema(3)"]
	if len(v.Bars) != 2 || v.Forming.Final == nil || *v.Forming.Final || len(ema.T) != 2 || ema.Value[1] != 2.25 ||
		ema.Forming.Final == nil || v.Of != 1 || v.I != 1 || v.Pos != "v1.k3.1" {
		t.Errorf("%s", got[0].data)
	}
}
