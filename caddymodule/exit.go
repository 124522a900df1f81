package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// watchExit subscribes to the event that precedes every Stop. Stop itself comes
// too late: apps stop in random order, and http may wait for our streams first.
func (a *App) watchExit(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading events: %w", err)
	}
	events, ok := app.(*caddyevents.App)
	if !ok {
		return fmt.Errorf("loading events: unexpected type %T", app)
	}
	if err := events.On("stopping", stopping{a.engine}); err != nil {
		return fmt.Errorf("subscribing to stopping: %w", err)
	}
	return nil
}

// stopping raises the drain signal. The event also comes before every reload
// and at the end of one config; only an exit ends streams.
type stopping struct{ engine *engine }

// Handle implements caddyevents.Handler.
func (s stopping) Handle(context.Context, caddy.Event) error {
	if caddy.Exiting() {
		s.engine.drain()
	}
	return nil
}
