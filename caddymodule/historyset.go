package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// runningHistory is a history that the core runs now.
type runningHistory struct {
	fingerprint string
	detach      func()
}

// loadHistories loads the guests of the config.
func (a *App) loadHistories(ctx caddy.Context) error {
	if len(a.HistoryRaw) == 0 {
		return nil
	}
	mods, err := ctx.LoadModule(a, "HistoryRaw")
	if err != nil {
		return fmt.Errorf("loading histories: %w", err)
	}
	names := make(map[string]bool)
	for _, mod := range mods.([]any) {
		h, err := asGuest[History](mod, "History")
		if err != nil {
			return err
		}
		if names[h.Sink()] {
			return fmt.Errorf("checking histories: two are named %q, give one a sink_name", cut(h.Sink()))
		}
		names[h.Sink()] = true
		a.histories = append(a.histories, h)
	}
	return nil
}

// reconcileHistories makes the core run the histories of the current attachment
// and no others. One that is the same in two configs goes on; one that changed
// is stopped before its successor starts. It runs under startMu.
func (e *engine) reconcileHistories() {
	if phase(e.phase.Load()) != phaseRunning {
		return
	}
	wanted := make(map[string]History)
	if a := e.lent.newest(); a != nil {
		for _, h := range a.histories {
			wanted[h.Sink()] = h
		}
	}
	for name, r := range e.histories {
		if h := wanted[name]; h == nil || h.Fingerprint() != r.fingerprint {
			r.detach()
			delete(e.histories, name)
		}
	}
	for name, h := range wanted {
		if e.histories[name] == nil {
			e.startHistory(name, h)
		}
	}
	e.reconcileReaders()
}

// startHistory logs what is wrong instead of failing, as startFeed does.
func (e *engine) startHistory(name string, h History) {
	built, err := h.BuildHistory(historyEnv{clock: e.clock, observer: e.metrics, log: e.lent.logger(), lender: e.lent})
	if err != nil {
		e.metrics.SinkError(name, "build")
		e.lent.logger().Error("history did not start", "sink", name, "error", err)
		return
	}
	core := *e.core.Load()
	e.histories[name] = &runningHistory{fingerprint: h.Fingerprint(), detach: core.AttachHistory(built)}
}

// stopHistories runs under startMu.
func (e *engine) stopHistories() {
	for name, r := range e.histories {
		r.detach()
		delete(e.histories, name)
	}
}
