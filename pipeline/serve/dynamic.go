package serve

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what is computed on demand.
const (
	// maxDynamic is the number of distinct instances beyond the configured ones.
	maxDynamic = 1024
	// maxNumbers bounds those that are remembered with the ones that were forgotten
	// a moment ago, see reuseAfter.
	maxNumbers = 16 * maxDynamic
	// maxExtras is the number of series they are computed on, see claim.
	maxExtras = 16384
	// maxDynamicName is the longest canonical name.
	maxDynamicName = 256
	// maxReason is how much is told of why an expression means nothing, in bytes.
	maxReason = 400
	// idleAfter is how long a series is computed that nobody looks at.
	idleAfter = 5 * time.Minute
	// reuseAfter keeps the number of a forgotten instance from meaning another
	// one while a request still holds it.
	reuseAfter = 10 * time.Minute
)

// dynamic is an instance that nobody configured.
type dynamic struct {
	name   string
	plan   atomic.Pointer[[]*version] // who computes which bars, see versions
	shadow atomic.Pointer[version]    // computed beside them, never shown; nil: none
	used   atomic.Int64               // ms, the last request
	series atomic.Int32               // that are claimed of it
	gone   int64                      // ms, when it was forgotten; 0: it was not. Guarded by the table
}

// dynamics are the instances on demand. Their numbers follow those of the
// configured ones.
type dynamics struct {
	computer Computer // set before the first request
	extras   atomic.Int64

	mu      sync.RWMutex // protects computer and all below
	list    []*dynamic
	byName  map[string]int     // number in list
	shadows map[string]*shadow // by module; never changed, but replaced
	changes int                // of plans and shadows, so far
}

// SetComputer allows instances on demand. It has to come before the first
// request.
func (h *Hub) SetComputer(c Computer) {
	h.dyn.mu.Lock()
	defer h.dyn.mu.Unlock()
	h.dyn.computer = c
}

// Demanded is the number of series that are computed on demand.
func (h *Hub) Demanded() int64 { return h.dyn.extras.Load() }

// OnDemandOf lists the instances of a selection that are not configured.
func (h *Hub) OnDemandOf(sel *Selection) []string {
	var out []string
	for i := range sel.Pairs {
		for j, n := range sel.Pairs[i].inds {
			if _, known := h.configured(n); !known && h.isDynamic(n) {
				out = append(out, sel.Pairs[i].Indicators[j])
			}
		}
	}
	return out
}

// number is the number of the instance with that canonical name.
func (h *Hub) number(name string) (int, bool) {
	if n, ok := h.instances[name]; ok {
		return n, true
	}
	d := &h.dyn
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, ok := d.byName[name]
	return n + len(h.cfg.Instances), ok
}

// meta describes instance n.
func (h *Hub) meta(n int) *InstanceMeta {
	if n < len(h.cfg.Instances) {
		return &h.cfg.Instances[n]
	}
	return h.dynamic(n).at(h.now()).program.Meta()
}

// dynamic is instance n, which is not a configured one.
func (h *Hub) dynamic(n int) *dynamic {
	h.dyn.mu.RLock()
	defer h.dyn.mu.RUnlock()
	return h.dyn.list[n-len(h.cfg.Instances)]
}

// isDynamic tells whether instance n is computed on demand.
func (h *Hub) isDynamic(n int) bool { return n == pending || n >= len(h.cfg.Instances) }

// pending is the number of an instance on demand that a request names and that has
// none yet: it gets one when it is read, see Enroll.
const pending = -1

// summon asks the computer what an expression means that is not configured. It
// returns the canonical name, and the number if the instance has one. Nothing is
// kept of it: whoever asks may have asked for too many.
func (h *Hub) summon(ctx context.Context, param, text string) (n int, name string, p *Problem) {
	h.dyn.mu.RLock()
	computer := h.dyn.computer
	h.dyn.mu.RUnlock()
	if computer == nil {
		return 0, "", h.unknownIndicator(param, text)
	}
	turns, err := turnsOf(ctx, computer, text)
	if err == nil {
		err = turns[len(turns)-1].Err
	}
	if err != nil {
		return 0, "", h.notComputable(param, text, err)
	}
	m := metaOfTurns(turns)
	if n, ok := h.instances[m.Name]; ok && h.cfg.Instances[n].Version == m.Version {
		return n, m.Name, nil
	}
	if len(m.Name) > maxDynamicName {
		return 0, "", badParam(param, text, "the indicator expression is longer than 256 bytes when it is written out")
	}
	if n, ok := h.dyn.touch(m.Name, h.now()); ok {
		return n + len(h.cfg.Instances), m.Name, nil
	}
	return pending, m.Name, nil
}

// Enroll gives the instances on demand of a selection their numbers, for a client
// that may have them. Reads and streams do so themselves; before a stream it tells
// while a status can still be answered that there is no room, for the instances or
// for their series.
func (h *Hub) Enroll(sel *Selection) *Problem {
	if p := h.enrollAll(sel); p != nil {
		return p
	}
	keys := h.keysOf(sel)
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.room(keys, sel.Client, "s")
}

func (h *Hub) enrollAll(sel *Selection) *Problem {
	for i := range sel.Pairs {
		pair := &sel.Pairs[i]
		for j, n := range pair.inds {
			if n != pending {
				continue
			}
			n, p := h.enroll("s", pair.Indicators[j])
			if p != nil {
				return p
			}
			pair.inds[j] = n
		}
	}
	return nil
}

// enroll gives an instance on demand its number. The plan is that of the canonical
// name, whoever asked for it first and in what words.
func (h *Hub) enroll(param, name string) (int, *Problem) {
	n, err := 0, errChanged
	for errors.Is(err, errChanged) {
		if n, ok := h.dyn.touch(name, h.now()); ok {
			return n + len(h.cfg.Instances), nil
		}
		h.dyn.mu.RLock()
		computer, changes, shadows := h.dyn.computer, h.dyn.changes, h.dyn.shadows
		h.dyn.mu.RUnlock()
		turns, failed := turnsOf(context.Background(), computer, name)
		if failed != nil {
			return 0, h.notComputable(param, name, failed)
		}
		n, err = h.dyn.enter(newDynamic(name, turns, shadowOf(shadows, name), h.now()), changes)
	}
	if err != nil {
		return 0, &Problem{Status: 429, Code: CodeTooMany, Param: param, Value: echo(name), Limit: maxDynamic,
			Detail: "too many different indicators are computed on demand just now; ask for a configured one or try again later"}
	}
	return n + len(h.cfg.Instances), nil
}

func (h *Hub) notComputable(param, text string, err error) *Problem {
	if errors.Is(err, ErrUnavailable) {
		return &Problem{Status: 503, Code: CodeTooSlow, Param: param, Value: echo(text), Detail: "indicators are not computed on demand just now; configured ones are answered"}
	}
	if _, refused := errors.AsType[*ArgumentError](err); refused {
		return badParam(param, text, echoed(err.Error(), maxReason))
	}
	p := h.unknownIndicator(param, text)
	p.Detail = echoed(err.Error(), maxReason)
	return p
}

var (
	// errChanged: versions changed after a plan was made, which is out of date.
	errChanged = errors.New("a module has changed its version meanwhile")
	errFull    = errors.New("there is no room for another instance on demand")
)

func newDynamic(name string, turns []Turn, shadow *version, now int64) *dynamic {
	x := &dynamic{name: name}
	plan := versions(name, nil, turns)
	x.plan.Store(&plan)
	x.shadow.Store(shadow)
	x.used.Store(now)
	return x
}

// touch finds an entry and notes a request.
func (d *dynamics) touch(name string, now int64) (int, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, ok := d.byName[name]
	if ok {
		d.list[n].used.Store(now)
	}
	return n, ok
}

// enter gives an instance a number. What it knows of versions was read after that
// many changes.
func (d *dynamics) enter(x *dynamic, changes int) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok := d.byName[x.name]; ok {
		return n, nil // another request was first
	}
	if d.changes != changes {
		return 0, errChanged
	}
	now := x.used.Load()
	n := slices.IndexFunc(d.list, func(o *dynamic) bool { return o.gone > 0 && now-o.gone > reuseAfter.Milliseconds() })
	if n < 0 && len(d.list) >= maxNumbers || len(d.byName) >= maxDynamic && !d.forgetIdlest() {
		return 0, errFull
	}
	if n < 0 {
		n = len(d.list)
		d.list = append(d.list, x)
	} else {
		d.list[n] = x
	}
	if d.byName == nil {
		d.byName = map[string]int{}
	}
	d.byName[x.name] = n
	return n, nil
}

// forgetIdlest makes room by the instance that is on no series and was asked
// for the longest time ago.
func (d *dynamics) forgetIdlest() bool {
	idlest := -1
	for _, n := range d.byName {
		if x := d.list[n]; x.series.Load() == 0 && (idlest < 0 || x.used.Load() < d.list[idlest].used.Load()) {
			idlest = n
		}
	}
	if idlest < 0 {
		return false
	}
	d.forget(idlest, d.list[idlest].used.Load())
	return true
}

// forget removes entry n. Its number is not used again for a while.
func (d *dynamics) forget(n int, now int64) {
	x := d.list[n]
	delete(d.byName, x.name)
	x.gone = max(now, 1)
}

// sweep forgets instances that nobody used since before.
func (d *dynamics) sweep(before, now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.byName {
		if x := d.list[n]; x.series.Load() == 0 && x.used.Load() < before {
			d.forget(n, now)
		}
	}
}

// ofModule lists the entries whose expressions name a module. The caller holds
// mu.
func (d *dynamics) ofModule(module string) []*dynamic {
	var out []*dynamic
	for _, n := range d.byName {
		if x := d.list[n]; mentions(x.name, module) {
			out = append(out, x)
		}
	}
	return out
}

// mentions tells whether a canonical name has an indicator of a module in it, also
// in its src.
func mentions(name, module string) bool {
	for at := 0; ; at++ {
		i := strings.Index(name[at:], module+"/")
		if i < 0 {
			return false
		}
		// The name of another module may end like it: what stands before belongs to it.
		if at += i; at == 0 || strings.IndexByte("=,(", name[at-1]) >= 0 {
			return true
		}
	}
}
