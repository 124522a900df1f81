package serve

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

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
	o, p := h.ParseStream(context.Background(), map[string][]string{"s": {"A@1m"}}, "")
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
