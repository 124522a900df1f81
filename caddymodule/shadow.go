package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	// shadowTime bounds a shadow run; shadowBars ends it where every series has
	// been compared over that many bars.
	shadowTime = 10 * time.Minute
	shadowBars = 100
	// shadowLook is how often a shadow run is looked at.
	shadowLook = time.Second
	// rehearsed is the number of series on which a version is compared that
	// nobody looks at.
	rehearsed = 20
	// rehearseTime bounds that.
	rehearseTime = 5 * time.Second
)

// applyShadow computes a version beside the active one, or ends that.
func (a *activation) applyShadow(module string, versions []registry.Record, was shown, failed map[string]error) shown {
	rec, hub := shadowOf(versions), a.hub()
	if rec == nil {
		if was.shadow != "" {
			a.tell(func(hub *serve.Hub) { hub.Unshadow(module) })
		}
		was.shadow = ""
		return was
	}
	if was.shadow != rec.Version && hub != nil {
		m, err := a.module(rec, failed)
		if err != nil {
			a.log().Error("a module cannot be loaded for its shadow run", "module", module, "version", rec.Version, "error", err)
			return was
		}
		resolve := a.demand.with(module, m)
		a.tell(func(hub *serve.Hub) { hub.Shadow(module, resolve) })
		was.shadow = rec.Version
	}
	return was
}

// shadowOf is the version that is in its shadow run, nil for none.
func shadowOf(versions []registry.Record) *registry.Record {
	i := slices.IndexFunc(versions, func(r registry.Record) bool { return r.State == registry.Shadow })
	if i < 0 {
		return nil
	}
	return &versions[i]
}

// lookAfter ends the shadow run of a version when enough was compared. The node
// that was asked does it; should it die, the version stays in its shadow run
// until a publisher asks again, or for another version, or for none.
func (a *activation) lookAfter(module, version, who string) {
	run := module + "@" + version
	a.mu.Lock()
	busy := a.rehearse[run]
	a.rehearse[run] = true
	a.mu.Unlock()
	if busy {
		return
	}
	a.spawn("shadow run", func(ctx context.Context) {
		over := false
		defer func() {
			if !over {
				a.mu.Lock()
				delete(a.rehearse, run)
				a.mu.Unlock()
			}
		}()
		ctx = registry.By(ctx, registry.Actor{ID: who})
		ticker := a.clock.NewTicker(shadowLook)
		defer ticker.Stop()
		began := a.clock.Now()
		told := "" // an outage of hours is said once
		for !over {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C():
			}
			done, err := a.shadowStep(ctx, module, version, who, began)
			if err != nil && err.Error() != told {
				told = err.Error()
				a.log().Warn("a shadow run cannot go on or end at the moment", "module", module, "version", version, "error", err)
			}
			if done {
				over, began = a.lookedAfter(module, version), a.clock.Now()
			}
		}
	})
}

// lookedAfter notes that nobody looks after a run any more, unless the version is in
// another one by now: who has begun that has found this one looked after.
func (a *activation) lookedAfter(module, version string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[module][version].State == registry.Shadow {
		return false
	}
	delete(a.rehearse, module+"@"+version)
	return true
}

// shadowStep looks at a shadow run, and tells whether it has ended. After an error
// it is called again: a run that nobody looks after would never end.
func (a *activation) shadowStep(ctx context.Context, module, version, who string, began time.Time) (done bool, err error) {
	active, on := a.rehearsing(module, version)
	hub := a.hub()
	switch {
	case !on:
		return true, nil // somebody has decided otherwise
	case hub == nil:
		return false, nil
	case active == "" || a.isStopped(module):
		err = a.refuseShadow(ctx, module, version, nil)
		return err == nil, err
	}
	seen := hub.Compare(module)
	if seen.Series == 0 {
		if seen, err = a.compareUnseen(ctx, module, version); err != nil {
			return false, err // a storage that does not answer says nothing about the version
		}
	}
	doc := encodeComparison(seen)
	switch {
	case seen.Failed > 0:
		err = a.refuseShadow(ctx, module, version, doc)
	case seen.Bars < shadowBars*seen.Series && a.clock.Now().Sub(began) < shadowTime:
		return false, nil
	default:
		_, err = a.turn(ctx, registry.Switch{Module: module, Version: version, Expect: active, Lead: a.lead(), Comparison: doc}, who)
	}
	return err == nil, err
}

// rehearsing tells whether a version is in its shadow run, as far as this node
// knows, and beside which one.
func (a *activation) rehearsing(module, version string) (active string, on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := registry.ActiveOf(slices.Collect(maps.Values(a.known[module]))); r != nil {
		active = r.Version
	}
	return active, a.known[module][version].State == registry.Shadow
}

// refuseShadow ends the run of a version that failed.
func (a *activation) refuseShadow(ctx context.Context, module, version string, doc []byte) error {
	if err := a.store.SetState(ctx, module, version, registry.Staged, doc); err != nil {
		return err
	}
	a.log().Warn("a version failed in its shadow run: it was not activated", "module", module, "version", version, "comparison", string(doc))
	if _, err := a.refresh(ctx, module); err != nil {
		a.log().Error("reading a module again", "module", module, "error", err)
	}
	return nil
}

// compareUnseen compares the indicators of a version that nobody looks at, with
// their defaults, on the bars in memory. The error is that of the storage.
func (a *activation) compareUnseen(ctx context.Context, module, version string) (serve.Comparison, error) {
	ctx, cancel := context.WithTimeout(ctx, rehearseTime)
	defer cancel()
	a.mu.Lock()
	rec, active := a.known[module][version], registry.ActiveOf(slices.Collect(maps.Values(a.known[module])))
	a.mu.Unlock()
	var fresh *wasmhost.Module
	var err error
	if active != nil {
		fresh, err = a.load(ctx, &rec)
	}
	var sum serve.Comparison
	if r, refused := errors.AsType[*registry.Refusal](err); refused && r.Reason == registry.Unavailable {
		return sum, err
	}
	if active == nil || err != nil {
		sum.Failed++
		return sum, nil
	}
	resolve := a.demand.with(module, fresh)
	for _, ind := range rec.Indicators {
		text := module + "/" + ind
		b, err := resolve(text)
		if err != nil {
			sum.Failed++
			continue
		}
		old, err := a.demand.Program(text)
		if err != nil {
			continue // an indicator that the active version does not have
		}
		sum.Add(a.hub().Rehearse(ctx, old, b, rehearsed))
	}
	return sum, nil
}

// comparison is what the shadow run has shown on this node so far.
func (a *activation) comparison(module string) json.RawMessage {
	hub := a.hub()
	if hub == nil {
		return nil
	}
	return encodeComparison(hub.Compare(module))
}

// encodeComparison is the document that publishers read.
func encodeComparison(c serve.Comparison) json.RawMessage {
	doc, err := json.Marshal(struct {
		Series    int64   `json:"series"`
		Bars      int64   `json:"bars"`
		Differing int64   `json:"differing"`
		Absolute  float64 `json:"max_abs"`
		Relative  float64 `json:"max_rel"`
		Failed    int64   `json:"failed"`
	}{c.Series, c.Bars, c.Differing, c.Absolute, c.Relative, c.Failed})
	if err != nil { // an infinite difference
		return json.RawMessage(`{"differing":-1}`)
	}
	return doc
}
