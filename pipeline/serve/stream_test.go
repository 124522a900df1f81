package serve

import (
	"context"
	"errors"
	"fmt"
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

func TestNextWakesOnABatch(t *testing.T) {
	h := testHub(1)
	s := stream(t, h, "s=A@1m", "")
	defer s.Close()
	read(t, s)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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
