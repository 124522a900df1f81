package caddymodule

import (
	"context"
	"errors"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// watched is a context that is looked at while an expression is understood: between
// the guests that are asked.
type watched struct {
	context.Context //nolint:containedctx // it stands for one
	look            func() error
}

func (w watched) Err() error { return w.look() }

// Kills, metrics and each state that begins need the lock. A guest may take long to
// tell what it needs, and must not be asked with it.
func TestNoGuestIsAskedWithTheLockThatAKillNeeds(t *testing.T) {
	d := testDemand(t)
	looks := 0
	ctx := watched{t.Context(), func() error {
		if looks++; !d.mu.TryLock() {
			t.Error("the lock is held while guests are asked")
			return nil
		}
		d.mu.Unlock()
		return nil
	}}
	if _, err := d.Turns(ctx, "sma(5,src=ema(6,src=ema(7)))"); err != nil || looks < 3 {
		t.Errorf("%d looks, %v", looks, err)
	}
}

func TestAnExpressionIsNotUnderstoodAnyMoreWhenItsClientHasGone(t *testing.T) {
	d := testDemand(t)
	looks := 0
	ctx := watched{t.Context(), func() error {
		if looks++; looks > 1 {
			return context.Canceled
		}
		return nil
	}}
	const text = "sma(5,src=ema(6,src=ema(7,src=ema(8))))"
	if _, err := d.Turns(ctx, text); !errors.Is(err, serve.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("the client has gone: %v", err)
	}
	if looks > 6 {
		t.Errorf("it went on for %d looks", looks)
	}
	if len(d.turns) > 0 {
		t.Errorf("it is remembered: %v", d.turns)
	}
	if _, err := d.Turns(t.Context(), text); err != nil {
		t.Errorf("asked for again: %v", err)
	}
}

// What a version meant that was stopped meanwhile is not remembered.
func TestWhatHasChangedMeanwhileIsNotRemembered(t *testing.T) {
	d := testDemand(t)
	ctx := watched{t.Context(), func() error {
		d.mean("my-sum", []meant{{err: errStopped}})
		return nil
	}}
	if _, err := d.Turns(ctx, "sma(5,src=ema(6))"); err != nil || len(d.turns) > 0 {
		t.Errorf("remembered: %v, %v", d.turns, err)
	}
}

// A client has one of the places, whatever it asks for at the same time.
func TestAClientIsInOnePlaceOfThoseThatAskGuests(t *testing.T) {
	u := newUnderstanding()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	first, err := u.enter(asking(t.Context(), "eve"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.enter(asking(gone, "eve")); !errors.Is(err, context.Canceled) {
		t.Errorf("a second request of the client: %v", err)
	}
	second, err := u.enter(asking(gone, "ann"))
	if err != nil {
		t.Errorf("another client: %v", err)
	}
	if _, err := u.enter(asking(gone, "bob")); !errors.Is(err, context.Canceled) {
		t.Errorf("a client more than there are places: %v", err)
	}
	free, err := u.enter(gone)
	if err != nil {
		t.Errorf("a version that changes: %v", err)
	}
	for _, leave := range []func(){first, second, free} {
		leave()
	}
	if len(u.clients) > 0 || len(u.places) > 0 {
		t.Errorf("left behind: %d clients, %d places", len(u.clients), len(u.places))
	}
}

func TestTheRequestsThatAClientLetsWaitAreBounded(t *testing.T) {
	u := newUnderstanding()
	for range maxAsking {
		u.arrive("eve")
	}
	if _, err := u.enter(asking(t.Context(), "eve")); !errors.Is(err, errManyNames) {
		t.Errorf("one more: %v", err)
	}
	if _, err := u.enter(asking(t.Context(), "ann")); err != nil {
		t.Errorf("another client: %v", err)
	}
}
