package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

const minute = 60000

// made is a kline record made up for a test.
type made struct {
	sym, itv string
	t        int64
	rev      int
	seq      int64
	close    string
	final    bool
	id       string
	wm       int64
	values   int    // how many instances carry a value
	foreign  string // an indicator that is not configured and has one
}

func testBar(sym string, n int64, seq int64) made {
	return made{sym: sym, itv: "1m", t: n * minute, seq: seq, close: fmt.Sprintf("%d.5", 100+n), final: true, id: "1", values: 2}
}

func (m made) json() []byte {
	why := ""
	if m.rev > 0 {
		why = `,"why":"late"`
	}
	var ind []string
	for i, name := range []string{"ema(3)", "macd(2,3,2)"}[:m.values] {
		v := fmt.Sprintf("%d.25", m.seq)
		if i == 1 {
			v = fmt.Sprintf("-0,null,%d", m.seq)
		}
		ind = append(ind, fmt.Sprintf(`"%s":{"v":[%s],"n":%d,"fl":1,"seq":%d,"ver":"9f3c1a77"}`, name, v, m.t/minute, m.seq))
	}
	if m.foreign != "" {
		ind = append(ind, fmt.Sprintf(`"%s":{"v":[1],"n":1,"fl":1,"seq":%d,"ver":"9f3c1a77"}`, m.foreign, m.seq))
	}
	inds := ""
	if len(ind) > 0 {
		inds = `,"ind":{` + strings.Join(ind, ",") + `}`
	}
	wm := m.wm
	if wm == 0 {
		wm = m.t + minute
	}
	return fmt.Appendf(nil, `{"sym":"%s","itv":"%s","t":%d,"T":%d,"o":"100","h":"64020","l":"0.00000001","c":"%s","v":"12.345","qv":"790214.77","n":42,"bv":"6.1","bqv":"390412.5","vwap":"64010.9","f":%s,"L":10482,"final":%v,"rev":%d%s,"seq":%d,"q":"trades","src":{"p":0,"o0":1,"o1":2},"wm":%d,"ep":1%s}`,
		m.sym, m.itv, m.t, m.t+minute-1, m.close, m.id, m.final, m.rev, why, m.seq, wm, inds)
}

func (m made) record(offset, so, sk int64) Record {
	return Record{Offset: offset, So: so, Sk: sk, Value: m.json()}
}

var testInstances = []InstanceMeta{ //nolint:gochecknoglobals // test data
	{Name: "ema(3)", Outputs: []string{"value"}, Module: "builtin", Version: "9f3c1a77", Profile: "talib", Warmup: 20,
		Params: []Param{{Name: "period", Value: "3", Default: "20", Numeric: true}, {Name: "src", Value: "close", Default: "close"}}},
	{Name: "macd(2,3,2)", Outputs: []string{"macd", "signal", "hist"}, Module: "builtin", Version: "9f3c1a77", Profile: "talib", Warmup: 50,
		Params: []Param{{Name: "fast", Value: "2", Default: "12", Numeric: true}, {Name: "slow", Value: "3", Default: "26", Numeric: true}, {Name: "signal", Value: "2", Default: "9", Numeric: true}}},
}

func testConfig(partitions int32) HubConfig {
	return HubConfig{LogID: "k3", Partitions: partitions, Intervals: []string{"1m", "5m", "1h"}, Instances: testInstances,
		AllowedLateness: minute, Clock: clock.NewFake(time.UnixMilli(1e12))}
}

func testHub(partitions int32) *Hub {
	h := NewHub(testConfig(partitions))
	h.Loaded()
	return h
}

func fake(h *Hub) *clock.Fake { return h.cfg.Clock.(*clock.Fake) } //nolint:forcetypeassert // testConfig

// get answers a URL as the handlers do.
func get(t interface {
	Helper()
	Fatal(...any)
}, h *Hub, target string) (Answer, string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	a, p, err := route(h, u)
	if errors.As(err, &p) || p != nil {
		return a, string(p.AppendJSON(nil, "r"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, string(a.Body)
}

func route(h *Hub, u *url.URL) (Answer, *Problem, error) {
	ctx := context.Background()
	switch u.Path {
	case "/v1/klines":
		q, p := h.ParseKlines(u.Query(), 0)
		if p != nil {
			return Answer{}, p, nil
		}
		a, err := h.Klines(ctx, q)
		return a, nil, err
	case "/v1/values":
		q, p := h.ParseValues(context.Background(), u.Query(), 0)
		if p != nil {
			return Answer{}, p, nil
		}
		a, err := h.Values(ctx, q)
		return a, nil, err
	case "/v1/bundle":
		q, p := h.ParseBundle(context.Background(), u.Query(), 0)
		if p != nil {
			return Answer{}, p, nil
		}
		a, err := h.Bundle(ctx, q, "")
		return a, nil, err
	case "/v1/latest":
		sel, p := h.ParseLatest(context.Background(), u.Query())
		if p != nil {
			return Answer{}, p, nil
		}
		a, err := h.Latest(ctx, sel, "")
		return a, nil, err
	}
	q, p := h.ParseSymbols(u.Query())
	if p != nil {
		return Answer{}, p, nil
	}
	return h.Symbols(q, ""), nil, nil
}

// fataler is a test, or a run of a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// decode parses JSON or fails.
func decode[T any](t fataler, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

// stream opens a stream from a query string.
func stream(t fataler, h *Hub, query, lastID string) *Subscriber {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	o, p := h.ParseStream(context.Background(), v, lastID)
	if p != nil {
		t.Fatal(p)
	}
	s, err := h.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drainNow takes what a stream would write without waiting.
func drainNow(s *Subscriber) ([]byte, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out []byte
	for {
		if s.stage != stageRetry && !s.busy && s.stage != stageEnd {
			s.buf = s.buf[:0]
			b, _, err := s.step(context.Background(), s.hub.cfg.Clock.Now())
			if b == nil || err != nil {
				return out, err
			}
			out = append(out, b...)
			continue
		}
		b, err := s.Next(ctx)
		if err != nil {
			return out, err
		}
		out = append(out, b...)
	}
}

// read parses what a stream would write without waiting.
func read(t fataler, s *Subscriber) []message {
	t.Helper()
	out, err := drainNow(s)
	if err != nil && s.stage != stageEnd {
		t.Fatal(err)
	}
	var b browser
	b.feed(out)
	if len(b.rest) > 0 {
		t.Fatalf("half a line is left: %q", b.rest)
	}
	return b.got
}

// readLate reads a stream whose client may have come with a position of the
// future: the wait for it is over.
func readLate(t testing.TB, s *Subscriber) []message {
	t.Helper()
	got := read(t, s)
	fake(s.hub).Advance(catchUp)
	return append(got, read(t, s)...)
}

func names(ms []message) string {
	var out []string
	for _, m := range ms {
		out = append(out, m.event)
	}
	return strings.Join(out, " ")
}
