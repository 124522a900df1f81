package caddymodule

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestLeaseIsHeldByOneEngine(t *testing.T) {
	l := newLeaseTable()
	if !l.try([]string{"group", "port"}) {
		t.Fatal("a free lease was refused")
	}
	if l.try([]string{"folder", "port"}) {
		t.Error("a port was leased twice")
	}
	if !l.try([]string{"folder"}) {
		t.Error("a refused lease kept one of its names")
	}
	l.release([]string{"group", "port"})
	if !l.try([]string{"port"}) {
		t.Error("a released name is still taken")
	}
}

func TestLeaseWaitsForItsHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeaseTable()
		l.try([]string{"a", "b"})
		var order []string
		done := make(chan struct{})
		go func() { // the test's own goroutine
			defer close(done)
			if err := l.wait(t.Context(), []string{"b", "c"}); err != nil {
				t.Error(err)
			}
			order = append(order, "second")
		}()
		synctest.Wait()
		order = append(order, "first")
		l.release([]string{"a", "b"})
		<-done
		if len(order) != 2 || order[0] != "first" {
			t.Errorf("order %v", order)
		}
	})
}

func TestLeaseWaitEndsWithItsContext(t *testing.T) {
	l := newLeaseTable()
	l.try([]string{"a"})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errDestroyed)
	if err := l.wait(ctx, []string{"a"}); !errors.Is(err, errDestroyed) {
		t.Errorf("wait returned %v", err)
	}
}
