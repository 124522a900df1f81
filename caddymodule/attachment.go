package caddymodule

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// attachment is what one started config lends to the engine. It is read-only
// after it was attached.
type attachment struct {
	gen    uint64
	logger *zap.Logger // to be used only while that config is loaded
	drain  time.Duration
	loans  map[string]*loan
	feeds  []Feed
	// histories follow while this config is the newest.
	histories []History
	view      viewLimits

	storage registry.Storage // of this config
	sync    time.Duration    // between two looks at it; 0 = default
	trust   *trust           // about signatures of modules
	isolate bool             // modules are examined in a process of their own first
}

// viewLimits are settings that an engine takes only when it is built.
type viewLimits struct {
	bars   int
	memory int64
}

// viewLimits has the defaults in it: who writes one out changes nothing, and must
// not be told to restart.
func (a *App) viewLimits() viewLimits {
	v := viewLimits{bars: orInt(a.ViewBars, serve.DefaultViewBars), memory: a.ViewMemory}
	if v.memory == 0 {
		v.memory = serve.DefaultViewMemory
	}
	return v
}

// generation numbers the configs of this process in the order of their
// provisioning. It is the third package variable that changes, by one counter.
var generation atomic.Uint64

// attachment is what this config lends to the engine between Start and Cleanup.
func (a *App) attachment(ctx caddy.Context) (att *attachment, err error) {
	att = &attachment{
		gen:    generation.Add(1),
		logger: ctx.Logger(),
		drain:  defaultDrain,
		loans:  map[string]*loan{"source": a.source.lends(), "store": a.store.lends()},
		feeds:  a.feeds,
		view:   a.viewLimits(),

		storage: ctx.Storage(),
	}
	att.histories = a.histories
	for _, h := range a.histories {
		att.loans[loanOf(h)] = h.lends()
	}
	if a.DrainTimeout != nil {
		att.drain = time.Duration(*a.DrainTimeout)
	}
	if a.Indicators != nil && a.Indicators.SyncInterval != nil {
		att.sync = time.Duration(*a.Indicators.SyncInterval)
	}
	if att.trust, err = a.Indicators.trusted(); err != nil {
		return nil, err
	}
	att.isolate, err = a.Indicators.isolated()
	return att, err
}

// attachments are those of all loaded configs: two during a reload, one
// otherwise, none for a moment at the end.
type attachments struct {
	built   *attachment // the one the engine was built with
	current atomic.Pointer[attachment]

	mu   sync.Mutex    // protects list
	list []*attachment // sorted by generation
}

func newAttachments(first *attachment) *attachments { return &attachments{built: first} }

// add inserts a. The newest one is current, whatever the order of the calls.
func (s *attachments) add(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, a)
	slices.SortFunc(s.list, func(x, y *attachment) int { return cmp.Compare(x.gen, y.gen) })
	s.current.Store(s.list[len(s.list)-1])
}

// remove takes a out; a config that was rejected before its Start was never in.
func (s *attachments) remove(a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(x *attachment) bool { return x == a })
	if len(s.list) == 0 {
		s.current.Store(nil)
		return
	}
	s.current.Store(s.list[len(s.list)-1])
}

// newest is the current attachment, or nil before the first Start and after the
// last Cleanup.
func (s *attachments) newest() *attachment { return s.current.Load() }

// loan implements lender.
func (s *attachments) loan(kind string) *loan {
	a := s.newest()
	if a == nil {
		a = s.built // the last units are being written while the last config is gone
	}
	if l := a.loans[kind]; l != nil {
		return l
	}
	return new(loan)
}

// syncInterval is the time between two looks at the registry of modules.
func (s *attachments) syncInterval() time.Duration {
	if a := s.newest(); a != nil && a.sync > 0 {
		return a.sync
	}
	return defaultSync
}

func (s *attachments) drainWindow() time.Duration {
	if a := s.newest(); a != nil {
		return a.drain
	}
	return s.built.drain
}

// logger writes into the log of whatever config is current.
func (s *attachments) logger() pipeline.Logger { return relay{s} }

// relay is a pipeline.Logger. A pooled object that kept the first config's
// logger would ignore each later log setting and write to closed files.
type relay struct{ lent *attachments }

func (r relay) log() *zap.SugaredLogger {
	if a := r.lent.newest(); a != nil {
		return a.logger.Sugar()
	}
	return caddy.Log().Sugar()
}

// Debug implements pipeline.Logger.
func (r relay) Debug(msg string, kv ...any) { r.log().Debugw(msg, kv...) }

// Info implements pipeline.Logger.
func (r relay) Info(msg string, kv ...any) { r.log().Infow(msg, kv...) }

// Warn implements pipeline.Logger.
func (r relay) Warn(msg string, kv ...any) { r.log().Warnw(msg, kv...) }

// Error implements pipeline.Logger.
func (r relay) Error(msg string, kv ...any) { r.log().Errorw(msg, kv...) }
