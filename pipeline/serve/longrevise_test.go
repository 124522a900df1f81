package serve

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// sums computes sums over all bars since the first one, which all change when that has
// left memory and they are computed anew; and near, of one bar alone.
type sums struct{}

func (sums) Turns(_ context.Context, text string) ([]Turn, error) {
	return []Turn{{Key: "1", Program: sum{&InstanceMeta{Name: text, Outputs: []string{"value"}, Module: "mine", Version: "00000001", Warmup: math.MaxInt32}}}}, nil
}

type sum struct{ meta *InstanceMeta }

func (s sum) Meta() *InstanceMeta { return s.meta }
func (s sum) Start(int64) (Cursor, error) {
	return &summed{near: strings.Contains(s.meta.Name, "near")}, nil
}

type summed struct {
	near bool
	last float64
}

func (c *summed) Run(bars []core.Bar, out []float64, _ []bool) (int, error) {
	for i := range bars {
		if c.near {
			c.last = 0
		}
		c.last += bars[i].Close / 3
		out[i] = c.last
	}
	return len(bars), nil
}
func (c *summed) Preview(core.Bar, []float64) (bool, error) { return false, nil }
func (c *summed) Close()                                    {}

const sumsQuery = "s=BTC@1m:kline,mine/sum(1),mine/sum(2),mine/near(1)&snapshot=1000"

// longRevise is a hub with 200 bars whose sums change all when bar 499 is restated, and
// a stream that shows them.
func longRevise(t *testing.T) (h *Hub, s *Subscriber, restate func() string) {
	t.Helper()
	cfg := testConfig(1)
	cfg.ViewBars = 200
	h = NewHub(cfg)
	h.Loaded()
	h.SetComputer(sums{})
	closeBars(h, 10, 20)
	s = stream(t, h, sumsQuery, "")
	told(t, s)
	for n := int64(20); n < 500; n += 50 {
		closeBars(h, n, min(n+50, 500))
		told(t, s)
	}
	return h, s, func() string {
		late := bare("BTC", 499, 1, 500)
		late.close = "7777"
		h.Apply(0, []Record{late.record(500, 500, 0)})
		return told(t, s)
	}
}

func TestALongRestatementOnDemandIsAReset(t *testing.T) {
	h, _, restate := longRevise(t)
	before := h.ring.bytes
	text := restate()
	resets := dataOf(text, eventReset)
	if len(resets) != 1 || !strings.Contains(resets[0], `"series":["BTC@1m:mine/sum(1)","BTC@1m:mine/sum(2)"]`) ||
		strings.Count(text, "event: revise\n") != 2 || strings.Count(text, "event: snapshot\n") != 1 {
		t.Fatalf("told %.600s", text)
	}
	known := decode[struct {
		Ind map[string]struct {
			T     []int64
			Value []float64
		}
	}](t, strings.TrimSpace(dataOf(text, eventSnapshot)[0])).Ind
	for _, name := range []string{"mine/sum(1)", "mine/sum(2)"} {
		at, values := shownValues(h, "BTC", name)
		if len(at) != 200 || fmt.Sprint(known[name].T) != fmt.Sprint(at) || fmt.Sprint(known[name].Value[199]) != values[199] {
			t.Errorf("%s: the snapshot has %v", name, known[name])
		}
	}
	if took := h.ring.bytes - before; took > 2<<10 {
		t.Errorf("a restated bar takes %d bytes of the ring", took)
	}
}

// Wherever the connection ends before the snapshot, the client is told again.
func TestAResetThatDidNotArriveIsToldAgain(t *testing.T) {
	h, s, restate := longRevise(t)
	text := restate()
	s.Close()
	cut := strings.Index(text, "event: reset\n")
	if cut < 0 {
		t.Fatalf("told %.600s", text)
	}
	id := func(text string) string {
		i := strings.LastIndex(text, "id: ")
		if i < 0 {
			t.Fatalf("no id in %.600s", text)
		}
		id, _, _ := strings.Cut(text[i+len("id: "):], "\n")
		return id
	}
	again := stream(t, h, sumsQuery, id(text[:cut]))
	if got := dataOf(told(t, again), eventReset); len(got) != 1 || !strings.Contains(got[0], resetRestated) {
		t.Errorf("behind the bar: %v", got)
	}
	again.Close()
	again = stream(t, h, sumsQuery, id(text))
	if got := dataOf(told(t, again), eventReset); len(got) != 0 {
		t.Errorf("behind the snapshot: %v", got)
	}
	again.Close()
}
