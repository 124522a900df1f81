package caddymodule

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// How often a node looks for what others have uploaded.
const (
	defaultSync = 5 * time.Second
	minSync     = time.Second // a storage may be a remote one
)

// modules is what an engine knows of uploaded modules: the registry in the
// storage of the newest config, a look at it every sync_interval, and who can
// activate.
type modules struct {
	registry *registry.Registry
	lent     *attachments
	clock    clock.Clock
	panicked func(error)

	activator atomic.Pointer[Activator] // nil: nothing can be activated

	cache string // folder of compiled code; empty: none

	refusals *refusals // on their way into the audit log

	// reading and looking are held from a look at the storage, at modules and at kills,
	// until it was passed on: what was read earlier must not be told later.
	reading, looking sync.Mutex

	// lift lets compute what is not stopped any more, catchUp what the last look for
	// changes has passed on. Both load modules, and are called with nothing locked. They
	// are set before the start.
	lift, catchUp func()

	mu      sync.Mutex // protects all below
	watches []func([]registry.Change)
	stops   []func(registry.Kills)
	cancel  context.CancelFunc
	tasks   []*safego.Handle
}

func newModules(lent *attachments, gate *registry.Gate, c clock.Clock, panicked func(error)) *modules {
	m := &modules{lent: lent, clock: c, panicked: panicked, refusals: newRefusals(), lift: func() {}, catchUp: func() {}}
	m.registry = registry.New(registry.Config{
		Storage: &lentStorage{lent: lent}, Vet: m.vet, Gate: gate, Now: c.Now, Reserved: []string{builtinModule},
		Log: lent.logger().Warn, Trust: lent.trust, Audited: m.audited,
	})
	return m
}

// vet makes the checks of an upload, where the configuration says so in a process
// of their own.
func (m *modules) vet(ctx context.Context, wasm, previous []byte) (*registry.Report, error) {
	if a := m.lent.newest(); a != nil && a.isolate {
		return isolation{}.vet(ctx, wasm, previous)
	}
	return vetter(m.clock, m.cache)(ctx, wasm, previous)
}

// watch calls f with what is new in the registry, on this node or another: once
// with all that is there, then with every change. Calls come one at a time. It
// must be set before the engine is started.
func (m *modules) watch(f func([]registry.Change)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watches = append(m.watches, f)
}

// start begins to look. It returns at once: a storage that does not answer must
// not keep an engine from starting.
func (m *modules) start(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tasks != nil {
		return
	}
	ctx, m.cancel = context.WithCancel(ctx)
	known := make(chan struct{})
	seen := sync.OnceFunc(func() { close(known) })
	m.tasks = []*safego.Handle{
		m.keep(ctx, "kills", func() { m.pollKills(ctx, seen) }),
		m.keep(ctx, "modules", func() { m.pollChanges(ctx, known) }),
		m.keep(ctx, "audit", func() { m.writeRefusals(ctx) }),
	}
}

// keep starts a task that begins anew after a panic: a node that has stopped to look
// for kills would run what the operator stops, for ever.
func (m *modules) keep(ctx context.Context, name string, f func()) *safego.Handle {
	return safego.Keep(name, func(err error) {
		if m.panicked != nil {
			m.panicked(err)
		}
		m.lent.logger().Warn("a task of the modules begins again after a panic", "task", name, "pause", killLook)
	}, func() bool { m.pause(ctx); return ctx.Err() == nil }, f)
}

// stop ends the looking.
func (m *modules) stop() {
	m.mu.Lock()
	cancel, tasks := m.cancel, m.tasks
	m.cancel, m.tasks = nil, nil
	m.mu.Unlock()
	if tasks != nil {
		cancel()
	}
	for _, t := range tasks {
		t.Wait()
	}
}

// pollKills looks for kills until ctx ends, and calls seen when it has seen
// them first. It loads nothing: a kill must not wait for modules that others upload.
func (m *modules) pollKills(ctx context.Context, seen func()) {
	failing := false
	for ctx.Err() == nil {
		err := m.lookForKills(ctx)
		if err == nil {
			seen()
		}
		failing = m.tell(ctx, failing, err, "what the operator stops is not seen")
		m.pause(ctx)
	}
}

// pollChanges looks for modules until ctx ends. Before the kills are known nothing
// that was uploaded may compute.
func (m *modules) pollChanges(ctx context.Context, known <-chan struct{}) {
	const unseen = "uploads of other nodes are not seen"
	failing := m.tell(ctx, false, m.registry.Sweep(ctx), unseen)
	select {
	case <-known:
	case <-ctx.Done():
	}
	for due := m.clock.Now(); ctx.Err() == nil; m.pause(ctx) {
		m.lift()
		if now := m.clock.Now(); !now.Before(due) {
			due = now.Add(m.lent.syncInterval())
			failing = m.tell(ctx, failing, m.lookForChanges(ctx), unseen)
		}
	}
}

// pause waits until the next look.
func (m *modules) pause(ctx context.Context) {
	timer := m.clock.NewTimer(killLook)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// tell logs when failures begin and when they end, not every few seconds.
func (m *modules) tell(ctx context.Context, failing bool, err error, unseen string) bool {
	log := m.lent.logger()
	switch {
	case ctx.Err() != nil:
	case err != nil && !failing:
		log.Warn("the storage of modules does not answer: "+unseen, "error", err)
	case err == nil && failing:
		log.Info("the storage of modules answers again")
	}
	return err != nil
}

// watchKills calls f with what the operator has stopped, whenever a node looks
// for it, before changes are passed for the first time. It must be set before
// the engine is started.
func (m *modules) watchKills(f func(registry.Kills)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stops = append(m.stops, f)
}

// lookForChanges reads what is new, hands it to those who watch and lets it compute.
func (m *modules) lookForChanges(ctx context.Context) error {
	err := m.readChanges(ctx)
	m.catchUp()
	return err
}

func (m *modules) readChanges(ctx context.Context) error {
	m.reading.Lock()
	defer m.reading.Unlock()
	changes, err := m.registry.Changes(ctx)
	m.pass(changes)
	return err
}

// lookForKills reads what is stopped and hands it to those who watch. Should the
// storage not answer, what was known stays.
func (m *modules) lookForKills(ctx context.Context) error {
	m.looking.Lock()
	defer m.looking.Unlock()
	kills, err := m.registry.Kills(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	stops := m.stops
	m.mu.Unlock()
	for _, f := range stops {
		f(kills)
	}
	return nil
}

// audited repeats entries of the audit log in Caddy's: whoever ships that
// elsewhere has the sums that the chain is held against.
func (m *modules) audited(entries []registry.Entry, head string) {
	for i := range entries {
		e := &entries[i]
		m.lent.logger().Info("audit", "seq", e.Seq, "action", string(e.Action), "result", e.Result, "actor", e.Actor, "client_ip", e.Address,
			"tenant", e.Tenant, "module", e.Module, "version", e.Version, "module_sha256", e.ModuleSHA256, "note", e.Note, "count", e.Count)
	}
	m.lent.logger().Info("audit chain", "seq", entries[len(entries)-1].Seq, "sha256", head)
}

// pass hands changes to those who watch.
func (m *modules) pass(changes []registry.Change) {
	if len(changes) == 0 {
		return
	}
	for _, c := range changes {
		m.lent.logger().Debug("a module has changed", "module", c.Module, "version", c.Version, "sha256", c.SHA256, "state", string(c.State), "gone", c.Gone)
	}
	m.mu.Lock()
	watches := m.watches
	m.mu.Unlock()
	for _, f := range watches {
		f(changes)
	}
}

// active is who can activate, or nil.
func (m *modules) active() Activator {
	if a := m.activator.Load(); a != nil {
		return *a
	}
	return nil
}

// errNoStorage occurs only before a config was started.
var errNoStorage = errors.New("the configuration has no storage")

// lentStorage is the storage of whatever config is current: the registry
// outlives reloads, the storage module of a config does not have to. Between
// Lock and Unlock it is the one that was locked, whatever is loaded meanwhile:
// a lock that nobody gives back would be kept fresh as long as the process
// lives.
type lentStorage struct {
	lent *attachments

	mu     sync.Mutex       // protects locked
	locked registry.Storage // nil: none is
}

func (s *lentStorage) now() (registry.Storage, error) {
	s.mu.Lock()
	locked := s.locked
	s.mu.Unlock()
	if locked != nil {
		return locked, nil
	}
	a := s.lent.newest()
	if a == nil {
		a = s.lent.built
	}
	if a == nil || a.storage == nil {
		return nil, errNoStorage
	}
	return a.storage, nil
}

// Store implements registry.Storage.
func (s *lentStorage) Store(ctx context.Context, key string, value []byte) error {
	to, err := s.now()
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.BeforeRegistry)
	err = to.Store(ctx, key, value)
	failpoint.Hit(failpoint.AfterRegistry)
	return err
}

// Load implements registry.Storage.
func (s *lentStorage) Load(ctx context.Context, key string) ([]byte, error) {
	from, err := s.now()
	if err != nil {
		return nil, err
	}
	return from.Load(ctx, key)
}

// Delete implements registry.Storage.
func (s *lentStorage) Delete(ctx context.Context, key string) error {
	from, err := s.now()
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.BeforeRegistry)
	err = from.Delete(ctx, key)
	failpoint.Hit(failpoint.AfterRegistry)
	return err
}

// List implements registry.Storage.
func (s *lentStorage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	in, err := s.now()
	if err != nil {
		return nil, err
	}
	return in.List(ctx, path, recursive)
}

// Lock implements registry.Storage. The registry takes one lock at a time.
func (s *lentStorage) Lock(ctx context.Context, name string) error {
	in, err := s.now()
	if err != nil {
		return err
	}
	if err := in.Lock(ctx, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked = in
	return nil
}

// Unlock implements registry.Storage.
func (s *lentStorage) Unlock(ctx context.Context, name string) error {
	in, err := s.now()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.locked = nil
	s.mu.Unlock()
	return in.Unlock(ctx, name)
}
