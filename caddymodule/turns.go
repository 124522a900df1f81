package caddymodule

import (
	"cmp"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// maxTurns bounds the turns of a module that are told apart.
const maxTurns = 8

// due is a turn of a version as the registry has it.
type due struct {
	turn, from int64
	rec        registry.Record
	err        error // why nobody computes; nil: rec does
	missing    bool  // it could not be loaded: the turn before goes on in its place
}

func (d *due) same(o *due) bool {
	return d.from == o.from && d.rec.SHA256 == o.rec.SHA256 && d.rec.Tenant == o.rec.Tenant && d.missing == o.missing && d.err == o.err //nolint:errorlint // fixed values
}

// turnsOf says who computes which bars of a module: a function of its records
// alone, so that every node says the same, also one that starts now. Turns whose
// bars had all ended by before, ms UTC, are left out.
func turnsOf(versions []registry.Record, before int64) []due {
	active := registry.ActiveOf(versions)
	var all []due
	for _, r := range versions {
		for _, t := range r.Turns() {
			if active == nil || t.Turn <= active.Turn {
				all = append(all, due{turn: t.Turn, from: t.From, rec: r, err: outOfService(&r)})
			}
		}
	}
	slices.SortFunc(all, func(a, b due) int { return cmp.Compare(a.turn, b.turn) })
	if n := len(all); n > 0 && active == nil {
		last := all[n-1]
		all = append(all, due{from: last.rec.Since.UnixMilli(), rec: last.rec, err: cmp.Or(last.err, errNotActive)})
	}
	var out []due
	for _, d := range all { // what was to begin later than a newer turn never did
		for len(out) > 0 && out[len(out)-1].from >= d.from {
			out = out[:len(out)-1]
		}
		out = append(out, d)
	}
	first := max(len(out)-maxTurns, 0)
	for first+1 < len(out) && out[first+1].from <= before {
		first++
	}
	return out[first:]
}

// outOfService is why a version must not be called any more.
func outOfService(r *registry.Record) error {
	if r.State == registry.Quarantined {
		return serve.ErrQuarantined
	}
	return nil
}

// follow makes demand compute as the turns of a module say, if they have changed, and
// leaves the hub to deliver. What cannot be loaded is told to the operator, and tried
// again with the next change and after a while: the storage may have been away. Without
// the newest version everything stays as it was; without an older one the turns before
// and behind it count.
func (a *activation) follow(module string, turns []due, was shown, failed map[string]error) shown {
	if slices.EqualFunc(turns, was.turns, func(a, b due) bool { return a.same(&b) }) {
		return was
	}
	var plan []meant
	missing := false
	for i := range turns {
		d := &turns[i]
		if d.err != nil {
			plan = append(plan, meant{from: d.from, err: d.err})
			continue
		}
		m, err := a.module(&d.rec, failed)
		if err == nil {
			plan = append(plan, meant{from: d.from, module: m})
			continue
		}
		a.failed(module, d, err)
		if i == len(turns)-1 {
			return was
		}
		d.missing, missing = true, true
	}
	if !missing {
		delete(a.failures, module)
	}
	if slices.EqualFunc(turns, was.turns, func(a, b due) bool { return a.same(&b) }) {
		return was // the same is missing as before: streams are not begun anew for that
	}
	a.demand.mean(module, plan)
	a.tell(func(hub *serve.Hub) { hub.Supersede(module) })
	a.told(module, turns, plan, was)
	was.turns = turns
	return was
}

// failure is why a version of a module could not be loaded.
type failure struct {
	text string
	at   time.Time
}

// loadAgain is how soon that is tried again: it may cost a compilation.
const loadAgain = 30 * time.Second

// failed notes that a version could not be loaded, and logs it unless it did for the
// same reason before.
func (a *activation) failed(module string, d *due, err error) {
	f := failure{d.rec.Version + ": " + err.Error(), a.clock.Now()}
	if a.failures[module].text != f.text {
		a.log().Error("a version of a module cannot be loaded", "module", module, "version", d.rec.Version, "from", d.from, "error", err)
	}
	a.failures[module] = f
}

// told notes that another version is active, or none.
func (a *activation) told(module string, turns []due, plan []meant, was shown) {
	if was.active() != activeTurn(turns) {
		a.listed()
	}
	if n := len(turns); n > 0 && turns[n-1].err == nil && was.active() != turns[n-1].turn {
		r := &turns[n-1].rec
		a.strikes[module] = &strikes{version: plan[len(plan)-1].module.Ver(), since: a.clock.Now()}
		a.log().Info("a module is active", "module", module, "version", r.Version, "sha256", r.SHA256, "from", turns[n-1].from)
	}
}

func (s *shown) active() int64 { return activeTurn(s.turns) }

// activeTurn is the turn that computes the newest bars, 0 for none.
func activeTurn(turns []due) int64 {
	if n := len(turns); n > 0 && turns[n-1].err == nil {
		return turns[n-1].turn
	}
	return 0
}

// openBars is how long ago a bar can have opened that is not closed for good:
// two of the longest interval, the lateness, and an hour for what comes slowly.
func openBars(intervals []core.Interval, lateness time.Duration) time.Duration {
	longest := int64(0)
	for _, i := range intervals {
		longest = max(longest, i.Millis())
	}
	return 2*time.Duration(longest)*time.Millisecond + lateness + keepRetired
}
