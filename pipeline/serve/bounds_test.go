package serve

import (
	"context"
	"errors"
	"net/url"
	"testing"
)

// bounded opens a stream with bounds of its own.
func bounded(t *testing.T, h *Hub, lastID string, set func(*SubOptions)) *Subscriber {
	t.Helper()
	o, p := h.ParseStream(context.Background(), url.Values{"s": {"A@1m"}}, lastID)
	if p != nil {
		t.Fatal(p)
	}
	set(&o)
	s, err := h.Subscribe(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// bars applies bars first to last of A without values.
func bars(h *Hub, first, last int64) {
	for i := first; i <= last; i++ {
		m := testBar("A", i, i)
		m.values = 0
		h.Apply(0, []Record{m.record(i, i, 0)})
	}
}

func TestBufferOfAStreamIsItsOwn(t *testing.T) {
	h := testHub(1)
	small := bounded(t, h, "", func(o *SubOptions) { o.Buffer = MinBuffer })
	usual := bounded(t, h, "", func(*SubOptions) {})
	large := bounded(t, h, "", func(o *SubOptions) { o.Buffer = 4 * DefaultBuffer })
	for _, s := range []*Subscriber{small, usual, large} {
		read(t, s)
	}
	check := func(n int64, s *Subscriber, slow bool) {
		t.Helper()
		if s.slow != slow {
			t.Errorf("after %d bars a stream with a buffer of %d is cut: %t", n, s.opts.Buffer, s.slow)
		}
	}
	bars(h, 1, MinBuffer)
	check(MinBuffer, small, false)
	bars(h, MinBuffer+1, DefaultBuffer)
	check(DefaultBuffer, small, true)
	check(DefaultBuffer, usual, false)
	bars(h, DefaultBuffer+1, 4*DefaultBuffer)
	check(4*DefaultBuffer, usual, true)
	check(4*DefaultBuffer, large, false)
	if got := read(t, large); len(got) != 4*DefaultBuffer {
		t.Errorf("the stream with the large buffer got %d frames", len(got))
	}
	bars(h, 4*DefaultBuffer+1, 8*DefaultBuffer+1)
	if _, err := drainNow(large); !errors.Is(err, ErrSlow) {
		t.Errorf("beyond its buffer the stream got %v", err)
	}
}

func TestReplayOfAStreamIsItsOwn(t *testing.T) {
	h := testHub(1)
	bars(h, 1, 3*DefaultReplay)
	for _, tc := range []struct {
		replay int
		missed int64
		want   string
	}{
		{0, DefaultReplay, eventPos},
		{0, DefaultReplay + 1, eventReset},
		{10, 10, eventPos},
		{10, 11, eventReset},
		{3 * DefaultReplay, 3*DefaultReplay - 1, eventPos},
	} {
		id := string(appendPosition(nil, "k3", []point{{so: 3*DefaultReplay - tc.missed}}))
		s := bounded(t, h, id, func(o *SubOptions) { o.Replay = tc.replay })
		got := read(t, s)
		if got[0].event != tc.want || tc.want == eventPos && int64(len(got)) != tc.missed+1 {
			t.Errorf("replay %d of %d frames: %d events, the first is %v", tc.replay, tc.missed, len(got), got[0])
		}
	}
}

func TestBoundsOutOfRangeAreBroughtIntoIt(t *testing.T) {
	for _, tc := range []struct{ in, want SubOptions }{
		{SubOptions{}, SubOptions{Buffer: DefaultBuffer, Replay: DefaultReplay, MaxStreams: 7}},
		{SubOptions{Buffer: 1, Replay: -1, MaxStreams: -1}, SubOptions{Buffer: MinBuffer, Replay: DefaultReplay, MaxStreams: 7}},
		{SubOptions{Buffer: 1 << 30, Replay: 1 << 30, MaxStreams: 1 << 30}, SubOptions{Buffer: MaxBuffer, Replay: MaxReplay, MaxStreams: 1 << 30}},
	} {
		got := tc.in
		got.bounded(7)
		if got.Buffer != tc.want.Buffer || got.Replay != tc.want.Replay || got.MaxStreams != tc.want.MaxStreams {
			t.Errorf("%+v becomes %+v", tc.in, got)
		}
	}
}

func TestLimitOfStreamsNamedByAStreamRules(t *testing.T) {
	cfg := testConfig(1)
	cfg.MaxStreams = 1
	h := NewHub(cfg)
	h.Loaded()
	first := stream(t, h, "s=A@1m", "")
	defer first.Close()
	for limit, want := range map[int]bool{0: true, 1: true, 2: false} {
		s := bounded(t, h, "", func(o *SubOptions) { o.MaxStreams = limit })
		if s.busy != want {
			t.Errorf("with one stream open and a limit of %d the next is busy: %t", limit, s.busy)
		}
		s.Close()
	}
}
