package serve

import (
	"context"
	"errors"
	"testing"
)

func TestAStreamThatHasWrittenItsSnapshotsGivesTheirMemoryBack(t *testing.T) {
	h := testHub(1)
	for i := range int64(600) {
		h.Apply(0, []Record{testBar("A", i+1, i+1).record(i, i, 0)})
	}
	s := stream(t, h, "s=A@1m:kline,ema(3),macd(2,3,2)&snapshot=600", "")
	if text := told(t, s); len(text) <= keptBuffer || cap(s.buf) < len(text)/2 {
		t.Fatalf("the snapshot has %d bytes in a buffer of %d: the test needs larger ones", len(text), cap(s.buf))
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(gone); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if cap(s.buf) > keptBuffer {
		t.Errorf("a stream that waits holds a buffer of %d bytes, want at most %d", cap(s.buf), keptBuffer)
	}
}
