package serve

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// invented opens a stream of 250 series on demand of symbols that nobody trades.
func invented(t testing.TB, h *Hub, i int, client string) (*Subscriber, error) {
	t.Helper()
	var names []string
	for k := range MaxPairs {
		names = append(names, fmt.Sprintf("NO%dX%d", i, k))
	}
	items := "mine/decay(1),mine/decay(2),mine/decay(3),mine/decay(4),mine/decay(5)"
	o, p := h.ParseStream(context.Background(), url.Values{"s": {strings.Join(names, ",") + "@1m:" + items}}, "")
	if p != nil {
		t.Fatal(p)
	}
	o.Selection.Client = client
	p = h.Enroll(&o.Selection)
	s, err := h.Subscribe(o)
	if (p == nil) != (err == nil) {
		t.Fatalf("stream %d: enrolling says %v, subscribing %v", i, p, err)
	}
	return s, err
}

// leftOver tells what is left of series on demand.
func leftOver(h *Hub) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprint(h.dyn.extras.Load(), " series ", len(h.claims.all), " claims ", len(h.claims.clients), " clients ", len(h.computed), " groups ", len(h.symbols), " symbols")
}

const nothingLeft = "0 series 0 claims 0 clients 0 groups 0 symbols"

// Streams of symbols that do not exist count like all others, from their admission
// on; nothing runs for them, and nothing is left of them.
func TestStreamsOfInventedSymbolsKeepTheBoundOfSeries(t *testing.T) {
	h, c := demandHub(nil)
	var open []*Subscriber
	var err error
	for i := 0; err == nil && i < 90; i++ {
		var s *Subscriber
		if s, err = invented(t, h, i, ""); err == nil {
			open = append(open, s)
		}
	}
	p, refused := errors.AsType[*Problem](err)
	if !refused || p.Status != 429 || p.Code != CodeTooMany || p.Limit != maxExtras || len(open) != maxExtras/250 {
		t.Fatalf("%d streams were admitted, then: %v", len(open), err)
	}
	for _, s := range open {
		read(t, s)
	}
	h.mend(context.Background())
	if n := h.Demanded(); n != int64(250*len(open)) || c.open.Load() != 0 {
		t.Errorf("%d series, %d states run for symbols that nobody trades", n, c.open.Load())
	}
	for _, s := range open {
		s.Close()
	}
	if left := leftOver(h); left != nothingLeft {
		t.Errorf("the streams have gone, and left %s", left)
	}
}

// A stream whose client goes before it has joined leaves nothing either, and what two
// of them claim together goes with the second one.
func TestClaimsGoWithTheirStreams(t *testing.T) {
	h, _ := demandHub(nil)
	joined, _ := invented(t, h, 1, "i1")
	waiting, _ := invented(t, h, 1, "i2")
	read(t, joined)
	if n := h.claims.clients["i1"]; n != 250 || h.claims.clients["i2"] != 0 {
		t.Errorf("charged: %v", h.claims.clients)
	}
	joined.Close()
	if left := leftOver(h); left != "0 series 250 claims 1 clients 0 groups 0 symbols" {
		t.Errorf("one stream has not joined, there is %s", left)
	}
	read(t, waiting)
	if left := leftOver(h); left != "250 series 250 claims 1 clients 50 groups 50 symbols" {
		t.Errorf("it has joined, there is %s", left)
	}
	waiting.Close()
	if left := leftOver(h); left != nothingLeft {
		t.Errorf("both have gone, and left %s", left)
	}
}

// One client cannot take the places of all others.
func TestAClientHasABoundOfSeries(t *testing.T) {
	h, _ := demandHub(nil)
	var open []*Subscriber
	for i := range maxClientExtras / 250 {
		s, err := invented(t, h, i, "i1")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	_, err := invented(t, h, 90, "i1")
	if p, ok := errors.AsType[*Problem](err); !ok || p.Status != 429 || p.Code != CodeTooMany || p.Limit != maxClientExtras || p.RetryAfter == 0 {
		t.Errorf("a client beyond its bound: %v", err)
	}
	if s, err := invented(t, h, 91, "i2"); err != nil {
		t.Errorf("another client: %v", err)
	} else {
		s.Close()
	}
	if s, err := invented(t, h, 0, "i1"); err != nil { // they are there already
		t.Errorf("the same series again: %v", err)
	} else {
		s.Close()
	}
	open[0].Close()
	if s, err := invented(t, h, 90, "i1"); err != nil {
		t.Errorf("after one stream has ended: %v", err)
	} else {
		open[0] = s
	}
	for _, s := range open {
		s.Close()
	}
	if left := leftOver(h); left != nothingLeft {
		t.Errorf("all have gone, and left %s", left)
	}
}

// latestFor reads n series on demand of BTC for a client.
func latestFor(t *testing.T, h *Hub, from, n int, client string) error {
	t.Helper()
	sel, p := h.ParseSelection(context.Background(), []string{items(from, n)})
	if p != nil {
		t.Fatal(p)
	}
	sel.Client = client
	_, err := h.Latest(context.Background(), sel, "")
	return err
}

// Reads count as streams do. What a client does not look at any more is charged to
// nobody, also if others keep it.
func TestReadsCountForTheirClient(t *testing.T) {
	h, _ := demandHub(nil)
	closeBars(h, 10, 12)
	if err := latestFor(t, h, 0, 200, "i1"); err != nil {
		t.Fatal(err)
	}
	h.claims.clients["i1"] += maxClientExtras - 200 - 1
	err := latestFor(t, h, 200, 2, "i1")
	if p, ok := errors.AsType[*Problem](err); !ok || p.Limit != maxClientExtras || p.Param != "ind" || p.Value != "mine/decay(201)" {
		t.Errorf("beyond the bound: %v", err)
	}
	h.claims.clients["i1"] -= maxClientExtras - 200 - 1
	fake(h).Advance(idleAfter)
	if err := latestFor(t, h, 0, 50, "i2"); err != nil {
		t.Fatal(err)
	}
	fake(h).Advance(time.Second)
	h.forgetIdle()
	if len(h.claims.clients) != 0 || len(h.claims.all) != 50 || h.Demanded() != 50 {
		t.Errorf("i2 reads what i1 began: %s, charged %v", leftOver(h), h.claims.clients)
	}
	fake(h).Advance(idleAfter + time.Second)
	h.forgetIdle()
	if left := leftOver(h); left != "0 series 0 claims 0 clients 0 groups 1 symbols" {
		t.Errorf("nobody looks, and there is %s", left)
	}
}

// A read that cannot be answered has no place afterwards.
func TestAReadThatFailsGivesItsPlaceBack(t *testing.T) {
	h, c := demandHub(nil)
	c.change = func(d *decay) { d.delay, d.clock = time.Minute, fake(h) }
	closeBars(h, 10, 20)
	if _, text := get(t, h, "/v1/values?sym=BTC&itv=1m&ind=mine/decay(1)"); !strings.Contains(text, CodeTooSlow) {
		t.Fatal(text)
	}
	if left := leftOver(h); left != "0 series 0 claims 0 clients 0 groups 1 symbols" {
		t.Errorf("there is %s", left)
	}
}

// A read of a symbol that only a stream names makes nothing that stays.
func TestReadsOfInventedSymbolsLeaveNothing(t *testing.T) {
	h, c := demandHub(nil)
	s := stream(t, h, "s=NO@1m:mine/decay(1)", "")
	read(t, s)
	get(t, h, "/v1/values?sym=NO&itv=1m&ind=mine/decay(2)")
	get(t, h, "/v1/klines?sym=NO&itv=5m")
	if c.open.Load() != 0 || h.Demanded() != 1 {
		t.Errorf("%d states, %s", c.open.Load(), leftOver(h))
	}
	s.Close()
	if left := leftOver(h); left != nothingLeft {
		t.Errorf("there is %s", left)
	}
}

// hangingUp is a Computer whose programs call then with each bar.
type hangingUp struct {
	*decays
	then func()
}

func (c *hangingUp) Turns(ctx context.Context, text string) ([]Turn, error) {
	turns, err := c.decays.Turns(ctx, text)
	for i := range turns {
		turns[i].Program = &hangingProgram{turns[i].Program, c}
	}
	return turns, err
}

type hangingProgram struct {
	Program
	c *hangingUp
}

func (p *hangingProgram) Start(ms int64) (Cursor, error) {
	cursor, err := p.Program.Start(ms)
	return &hangingCursor{cursor, p.c}, err
}

type hangingCursor struct {
	Cursor
	c *hangingUp
}

func (c *hangingCursor) Run(bars []core.Bar, out []float64, degenerate []bool) (int, error) {
	c.c.then()
	return c.Cursor.Run(bars, out, degenerate)
}

// The first bar of a symbol is computed while the last stream that waited for it
// hangs up: its state ends.
func TestAFirstBarThatMeetsTheEndOfItsStream(t *testing.T) {
	h, c := demandHub(nil)
	var s *Subscriber
	h.SetComputer(&hangingUp{c, func() { s.Close() }})
	s = stream(t, h, "s=BTC@1m:mine/decay(1)", "")
	read(t, s)
	closeBars(h, 10, 13)
	if left := leftOver(h); c.open.Load() != 0 || left != "0 series 0 claims 0 clients 0 groups 1 symbols" {
		t.Errorf("%d states are open, and there is %s", c.open.Load(), left)
	}
}
