package feed

import (
	"context"
	"testing"
)

// A thousand frames of a mebibyte were a gigabyte.
func TestFramesThatWaitAreBoundedInBytes(t *testing.T) {
	s := &socket{in: make(chan arrival, arrivals), taken: make(chan struct{}, 1)}
	frame := make([]byte, 1<<20)
	for range arrivalBytes / len(frame) {
		if err := s.put(t.Context(), arrival{frame: frame}); err != nil {
			t.Fatal(err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.put(over, arrival{frame: frame}); err == nil || len(s.in) != arrivalBytes/len(frame) {
		t.Fatalf("%d frames of a mebibyte wait: %v", len(s.in), err)
	}
	done := make(chan error)
	go func() { done <- s.put(t.Context(), arrival{frame: frame}) }()
	s.took(<-s.in)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for len(s.in) > 0 {
		s.took(<-s.in)
	}
	if n := s.waiting.Load(); n != 0 {
		t.Errorf("%d bytes are said to wait in an empty queue", n)
	}
	if err := s.put(t.Context(), arrival{frame: make([]byte, arrivalBytes+1)}); err != nil || len(s.in) != 1 {
		t.Errorf("a frame above the bound does not come alone: %v", err)
	}
}
