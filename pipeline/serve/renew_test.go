package serve

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// What is shown ends at once, listeners are told, bars go on; and what the module
// computes afterwards is what it would have computed anyway.
func TestProgramsAreRenewedAtOnce(t *testing.T) {
	h, c := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:kline,mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	h.Renew("mine", ErrQuarantined)
	h.mend(context.Background()) // no bar closes meanwhile: it may be one of a day
	if n := c.open.Load(); n != 0 {
		t.Errorf("%d states of a module that is stopped are open", n)
	}
	h.Apply(0, []Record{bare("BTC", 20, 0, 20).record(20, 20, 0)})
	h.mend(context.Background())
	closeBars(h, 21, 25)
	frames := told(t, s)
	if n := len(dataOf(frames, "kline")); n != 5 {
		t.Errorf("%d bars came, want 5", n)
	}
	if len(dataOf(frames, "reset")) != 1 {
		t.Errorf("no reset: %s", frames)
	}
	values := dataOf(frames, "indicator")
	for _, v := range values {
		if !strings.Contains(v, `"v":{"value":null}`) || !strings.Contains(v, `"fault":"quarantined"`) {
			t.Errorf("a value of a module that is stopped: %s", v)
		}
	}
	if len(values) < 4 || c.open.Load() != 0 {
		t.Errorf("%d values, %d states are open", len(values), c.open.Load())
	}
	_, none := shownValues(h, "BTC", "mine/decay(0.25)")
	if strings.ReplaceAll(strings.Trim(fmt.Sprint(none), "[]"), "null", "") != strings.Repeat(" ", max(len(none)-1, 0)) {
		t.Errorf("rows %v", none)
	}

	h.Renew("mine", nil)
	h.mend(context.Background())
	h.Apply(0, []Record{bare("BTC", 25, 0, 25).record(25, 25, 0)})
	_, want := wantValues(h, "BTC", 0.25)
	_, got := shownValues(h, "BTC", "mine/decay(0.25)")
	if fmt.Sprint(got) != fmt.Sprint(want) || c.open.Load() != 1 {
		t.Errorf("resumed: rows %v, want %v; %d states are open", got, want, c.open.Load())
	}
}

// The name of a module may end like that of another one: what is stopped is that
// one alone.
func TestAModuleIsNotTakenForOneWhoseNameEndsLikeIt(t *testing.T) {
	for name, want := range map[string]bool{
		"mine/decay(1)": true, "ema(3,src=mine/decay(1))": true, "a/b(2,src=mine/decay(1))": true, "ema(src=mine/decay)": true,
		"not-mine/decay(1)": false, "ema(3,src=not-mine/decay(1))": false, "mines/decay(1)": false, "mine(1)": false,
		"not-mine/decay(1,src=mine/decay(1))": true,
	} {
		if got := mentions(name, "mine"); got != want {
			t.Errorf("%s mentions mine: %v, want %v", name, got, want)
		}
	}
	h, _ := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	h.Renew("ne", ErrQuarantined) // that of somebody else
	h.mend(context.Background())
	closeBars(h, 20, 21)
	if text := told(t, s); strings.Contains(text, "quarantined") || len(dataOf(text, "indicator")) != 1 {
		t.Errorf("another module was stopped, told %s", text)
	}
}

// heldComputer answers when it is let go, with what it knew when it was asked.
type heldComputer struct {
	Computer
	asked, release chan struct{}
}

func (c *heldComputer) Turns(ctx context.Context, text string) ([]Turn, error) {
	turns, err := c.Computer.Turns(ctx, text)
	select {
	case c.asked <- struct{}{}:
		<-c.release
	case <-c.release:
	}
	return turns, err
}

// A version that takes over is asked about while the operator stops the module: what
// was asked before must not let it compute again.
func TestWhatIsStoppedWhileItIsAskedAboutStaysStopped(t *testing.T) {
	for name, ask := range map[string]func(h *Hub, c *decays){
		"another version": func(h *Hub, c *decays) { c.supersede(h, 15*minute, "00000002") },
		"lifted":          func(h *Hub, _ *decays) { h.Renew("mine", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			h, c := demandHub(nil)
			closeBars(h, 10, 20)
			s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
			defer s.Close()
			told(t, s)
			held := &heldComputer{c, make(chan struct{}), make(chan struct{})}
			h.SetComputer(held)
			asked := make(chan struct{})
			go func() { defer close(asked); ask(h, c) }()
			<-held.asked
			h.Renew("mine", ErrQuarantined)
			close(held.release)
			<-asked
			h.mend(context.Background())
			closeBars(h, 20, 22)
			values := dataOf(told(t, s), "indicator")
			for _, v := range values {
				if !strings.Contains(v, `"fault":"quarantined"`) {
					t.Errorf("a value of a module that is stopped: %s", v)
				}
			}
			if len(values) < 2 || c.open.Load() != 0 {
				t.Errorf("%d values, %d states are open", len(values), c.open.Load())
			}
		})
	}
}

// A shadow run that is ended while its guests are asked does not go on.
func TestAShadowThatEndsWhileItBeginsIsGone(t *testing.T) {
	h, c := demandHub(nil)
	closeBars(h, 10, 20)
	s := stream(t, h, "s=BTC@1m:mine/decay(0.25)", "")
	defer s.Close()
	told(t, s)
	asked, release, begun := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(begun)
		h.Shadow("mine", func(name string) (Program, error) {
			close(asked)
			<-release
			return c.make(name, "00000002")
		})
	}()
	<-asked
	h.Unshadow("mine")
	close(release)
	<-begun
	h.mend(context.Background())
	closeBars(h, 20, 22)
	if got := h.Compare("mine"); got.Series != 0 || c.open.Load() != 1 {
		t.Errorf("compared over %+v, %d states are open", got, c.open.Load())
	}
}
