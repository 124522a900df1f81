package serve

import (
	"context"
	"strings"
	"testing"
	"time"
)

// sticky is a program whose states cannot be closed before the guest is free.
type sticky struct {
	Program
	closing chan struct{} // told of each close that begins
	free    chan struct{} // closed: the guest is free
}

func (s *sticky) Start(ms int64) (Cursor, error) {
	c, err := s.Program.Start(ms)
	return &stuck{Cursor: c, of: s}, err
}

type stuck struct {
	Cursor
	of *sticky
}

func (c *stuck) Close() {
	c.of.closing <- struct{}{}
	<-c.of.free
	c.Cursor.Close()
}

// stickies is decays with such states.
type stickies struct {
	*decays
	closing, free chan struct{}
}

func (c *stickies) Turns(ctx context.Context, text string) ([]Turn, error) {
	turns, err := c.decays.Turns(ctx, text)
	for i := range turns {
		turns[i].Program = &sticky{turns[i].Program, c.closing, c.free}
	}
	return turns, err
}

// Closing the state of an indicator waits for its guest, which may be busy for
// long. Whatever closes one, the hub answers meanwhile.
func TestTheHubAnswersWhileStatesAreClosed(t *testing.T) {
	late := bare("BTC", 15, 1, 20)
	late.close = "7777"
	cases := map[string]struct {
		fails int
		close func(h *Hub, c *stickies)
	}{
		"nobody looks any more": {close: func(h *Hub, _ *stickies) {
			fake(h).Advance(idleAfter + time.Second)
			h.forgetIdle()
		}},
		"it lapsed and is computed anew": {close: func(h *Hub, _ *stickies) {
			h.places()[0].x.lapsed.Store(true)
			h.mend(context.Background())
		}},
		"a bar is restated": {close: func(h *Hub, _ *stickies) {
			h.Apply(0, []Record{late.record(20, 20, 0)})
		}},
		"another version takes over": {close: func(h *Hub, c *stickies) {
			c.supersede(h, 20*minute, "00000002")
			h.mend(context.Background())
			h.Apply(0, []Record{bare("BTC", 20, 0, 20).record(20, 20, 0)})
		}},
		"a version ahead is taken back": {close: func(h *Hub, c *stickies) {
			c.supersede(h, 30*minute, "00000002")
			h.mend(context.Background())
			c.supersede(h, 29*minute, "00000003")
			h.mend(context.Background())
		}},
		"the program fails": {fails: 11, close: func(h *Hub, _ *stickies) {
			h.Apply(0, []Record{bare("BTC", 20, 0, 20).record(20, 20, 0)})
		}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			h, d := demandHub(func(d *decay) { d.fails = test.fails })
			c := &stickies{d, make(chan struct{}, 16), make(chan struct{})}
			h.SetComputer(c)
			for n := int64(10); n < 20; n++ {
				h.Apply(0, []Record{bare("BTC", n, 0, n).record(n, n, 0), bare("ETH", n, 0, n).record(n, n, 1)})
			}
			if _, body := get(t, h, "/v1/values?sym=BTC&itv=1m&ind="+decayName); strings.Contains(body, "problem") {
				t.Fatal(body)
			}
			ended := make(chan struct{})
			go func() { defer close(ended); test.close(h, c) }()
			within(t, "a state to be closed", c.closing)
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				h.Apply(0, []Record{bare("ETH", 21, 0, 21).record(21, 21, 0)})
				h.Forming(0, nil)
				get(t, h, "/v1/values?sym=BTC&itv=1m&ind=ema(3)")
				get(t, h, "/v1/latest?s=ETH@1m:kline")
			}()
			within(t, "the hub to answer", answered)
			close(c.free)
			within(t, "the end", ended)
			fake(h).Advance(idleAfter + time.Second)
			h.forgetIdle()
			if n := d.open.Load(); n != 0 {
				t.Errorf("%d states are open", n)
			}
		})
	}
}

func within(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("waiting for %s: not so after a minute", what)
	}
}
