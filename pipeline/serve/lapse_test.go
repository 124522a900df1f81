package serve

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A program that takes too long loses its place in the batch, not the bars of
// others; its listeners are told anew.
func TestSlowProgramsOnDemandLapse(t *testing.T) {
	var hub *Hub
	h, c := demandHub(func(d *decay) {
		if d.factor == 0.5 {
			d.clock, d.delay = fake(hub), 15*time.Millisecond
		}
	})
	hub = h
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25),mine/decay(0.5)", "")
	defer s.Close()
	told(t, s)
	var batch []Record
	for n := int64(20); n < 26; n++ {
		batch = append(batch, bare("BTC", n, 0, n).record(n, n, 0))
	}
	h.Apply(0, batch)
	text := told(t, s)
	if got := strings.Count(text, `"ind":"mine/decay(0.25)"`); got != 6 {
		t.Errorf("the fast one has %d values, want 6", got)
	}
	if got := strings.Count(text, `"ind":"mine/decay(0.5)"`); got >= 6 {
		t.Errorf("the slow one has %d values: it was not left out", got)
	}
	h.mend(context.Background())
	text = told(t, s)
	if !strings.Contains(text, "event: reset") || !strings.Contains(text, `"BTC@1m:mine/decay(0.5)"`) {
		t.Errorf("the listener was not told anew: %s", text)
	}
	_, wv := wantValues(h, "BTC", 0.5)
	if _, gv := shownValues(h, "BTC", "mine/decay(0.5)"); fmt.Sprint(gv) != fmt.Sprint(wv) {
		t.Errorf("rows %v, want %v", gv, wv)
	}
	if c.open.Load() != 2 {
		t.Errorf("%d states are open, want 2", c.open.Load())
	}
}

// Programs of many names together, with what each waits for others, hold a batch back no
// longer than a bound, though each is fast enough.
func TestAllProgramsOnDemandTogetherHaveABound(t *testing.T) {
	var hub *Hub
	slow := false
	h, _ := demandHub(func(d *decay) {
		if slow {
			d.clock, d.delay = fake(hub), 15*time.Millisecond
		}
	})
	hub = h
	slow = true
	closeBars(h, 10, 20)
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("mine/decay(0.%d)", 101+i))
	}
	s := stream(t, h, "s=BTC@1m:"+strings.Join(names, ","), "")
	defer s.Close()
	told(t, s)
	began := fake(h).Now()
	h.Apply(0, []Record{bare("BTC", 20, 0, 20).record(20, 20, 0)})
	if took := fake(h).Now().Sub(began); took > allTime+30*time.Millisecond {
		t.Errorf("the bar took %v to get into the view", took)
	}
	if got := strings.Count(told(t, s), `"ind":"mine/decay(`); got == 0 || got == 50 {
		t.Errorf("%d of 50 values came with the bar", got)
	}
}

// Few readers have guests compute at a time, over bars in memory and behind it; who
// waits too long is told when to come back. What is configured waits for nobody.
func TestAReaderWaitsForItsTurnAtTheGuests(t *testing.T) {
	beds := map[string]func() *Hub{
		"memory": func() *Hub {
			h, _ := demandHub(nil)
			closeBars(h, 10, 20)
			return h
		},
		"log": func() *Hub {
			h, _ := littleMemory()
			shows(t, h, "closed=1&limit=2")
			return h
		},
		"database": func() *Hub {
			h, log := littleMemory()
			store := newFakeStore()
			store.take(log.recs...)
			h.SetStores([]Store{store}, StoreConfig{Timeout: time.Minute})
			shows(t, h, "closed=1&limit=2")
			return h
		},
	}
	for name, make := range beds {
		t.Run(name, func(t *testing.T) {
			h := make()
			for range fillParallel {
				h.fills.taken <- struct{}{}
			}
			read := func() error { return askValues(t, h, "from=1&ind=mine/decay(0.25)") }
			if p, ok := errors.AsType[*Problem](waited(t, h, read)); !ok || p.Status != 503 || p.RetryAfter == 0 {
				t.Errorf("behind others: %v", p)
			}
			if err := waited(t, h, func() error { return askValues(t, h, "from=1&ind=ema(3)") }); err != nil {
				t.Errorf("what is configured: %v", err)
			}
			<-h.fills.taken
			if err := read(); err != nil {
				t.Errorf("with a free turn: %v", err)
			}
		})
	}
}

// littleMemory is a hub that holds 4 of the 20 bars of its log.
func littleMemory() (*Hub, *keptLog) {
	cfg := testConfig(1)
	cfg.ViewBars = 4
	h, log := NewHub(cfg), &keptLog{}
	h.Loaded()
	h.SetComputer(configured{&decays{plan: []decayTurn{{0, "00000001"}}, program: map[string]*decay{}}})
	h.SetArchive(log)
	for n := range int64(20) {
		log.recs = append(log.recs, bare("BTC", n+1, 0, n+1).record(n, n, 0))
	}
	h.Apply(0, log.recs)
	return h, log
}

// configured computes ema(3), too, which the hub of tests is configured with: as a decay.
type configured struct{ *decays }

func (c configured) Turns(ctx context.Context, text string) ([]Turn, error) {
	if text == "ema(3)" {
		text = "mine/decay(0.5)"
	}
	return c.decays.Turns(ctx, text)
}

// shows reads a series on demand once, so that it is computed from then on.
func shows(t *testing.T, h *Hub, query string) {
	t.Helper()
	if err := askValues(t, h, query+"&ind=mine/decay(0.25)"); err != nil {
		t.Fatal(err)
	}
}

func askValues(t *testing.T, h *Hub, query string) error {
	t.Helper()
	v, err := url.ParseQuery("sym=BTC&itv=1m&" + query)
	if err != nil {
		t.Fatal(err)
	}
	q, p := h.ParseValues(t.Context(), v, 10)
	if p != nil {
		return p
	}
	_, err = h.Values(t.Context(), q)
	return err
}

// waited is what f returns when a wait for a turn at the guests takes as long as it
// may. The clock goes on while f waits and not while it computes, for which the same
// clock would be over.
func waited(t *testing.T, h *Hub, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		select {
		case err := <-done:
			return err
		default:
		}
		if fake(h).Due(fillTime) {
			fake(h).Advance(fillTime)
		}
	}
	t.Fatal("it waits for something else")
	return nil
}

// One pause of the machine in the middle of a batch leaves nothing out.
func TestOnePauseIsNotThatOfAProgram(t *testing.T) {
	var hub *Hub
	h, _ := demandHub(func(d *decay) {
		if d.factor == 0.5 {
			d.clock, d.pause = fake(hub), 13
		}
	})
	hub = h
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.5)", "")
	defer s.Close()
	told(t, s)
	var batch []Record
	for n := int64(20); n < 26; n++ {
		batch = append(batch, bare("BTC", n, 0, n).record(n, n, 0))
	}
	h.Apply(0, batch)
	if got := strings.Count(told(t, s), `"ind":"mine/decay(0.5)"`); got != 6 {
		t.Errorf("%d values, want 6", got)
	}
}

func TestFailingProgramsOnDemandHaveNullsAndAFlag(t *testing.T) {
	h, c := demandHub(func(d *decay) { d.fails = 12 })
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	closeBars(h, 20, 23)
	events := dataOf(told(t, s), "indicator")
	if len(events) < 2 || strings.Contains(events[0], "fault") || !strings.Contains(events[1], `"v":{"value":null},"final":true`) || !strings.Contains(events[1], `"fault":"error"`) {
		t.Errorf("told %q", events)
	}
	_, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(0.25)&from=1200000")
	if want := `[1260000,null,4],[1320000,null,4]]`; !strings.Contains(body, want) {
		t.Errorf("values %s, want %s", body, want)
	}
	// One when the bar closed, one when the series was tried again.
	if len(c.faults) != 2 || !strings.Contains(c.faults[0], "BTC@1m: trap") {
		t.Errorf("faults %q", c.faults)
	}
	if c.open.Load() != 0 {
		t.Errorf("%d states are open, want none", c.open.Load())
	}
}
