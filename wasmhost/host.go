// Package wasmhost runs indicator modules: WebAssembly files that speak the
// ABI kl1. It compiles a module once, keeps the state of every series inside
// the linear memory of guest instances, hands bars in and numbers out, and
// gives state bytes back for snapshots. Equal bars give equal bits on every
// CPU, whether they come one by one, in batches or as a backfill.
//
// The central type is the [Host]. It is made with [New], learns modules with
// [Host.Load], turns expressions such as "macd(12,26,9)" into an [Instance]
// with [Host.Resolve], and owns a fixed number of shards ([Host.Shard]). A
// [Shard] is one goroutine with guest instances of its own; a series lives in
// a [Slot] of one shard from [Shard.Open] to [Shard.Close]. [Host.Close] ends
// the goroutines and returns all memory.
//
// Every module, the built-in one included, passes through the package guard
// before anything else reads it, and runs on fuel: a call that uses up its
// budget or its stack ends in a trap. What a module computes is not judged, so
// a host runs only modules whose SHA-256 it was told to trust. It knows no
// Caddy, no Kafka and no decimals: bars arrive as float64, and what a value
// means for a client is the caller's business.
package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

const (
	pageSize = 64 << 10

	// runtimePages is the backstop of the runtime; Config.MaxMemory is lower.
	runtimePages = 8192

	defaultMaxMemory      = 64 << 20
	defaultMaxTotalMemory = 4 << 30
)

// ErrClosed is returned by every call after [Host.Close]. The caller should
// stop: the state bytes are gone.
var ErrClosed = errors.New("indicator host is closed")

// Config bounds a [Host]. The zero value is usable; New copies it.
type Config struct {
	// Shards is the number of owner goroutines, at most GOMAXPROCS: guest code
	// cannot be preempted, and more of it than CPUs would starve the process.
	// Default: GOMAXPROCS.
	Shards int

	// CacheDir holds compiled native code between starts. Whoever can write
	// there runs code in this process, so it must belong to the user of the
	// process with mode 0700; it is created that way. It may be deleted at any
	// time. Default: no cache.
	CacheDir string

	// MaxMemory is the limit of one guest instance in bytes, rounded down to
	// pages of 64 KiB, at most 512 MiB. A full instance is not an error: the
	// shard opens another one. Default: 64 MiB.
	MaxMemory int64

	// MaxTotalMemory is the limit of all guest instances together in bytes.
	// Beyond it Open fails. Default: 4 GiB.
	MaxTotalMemory int64

	// UploadMemory is the limit of one instance of an uploaded module in bytes,
	// at most 16 MiB. Default: 16 MiB.
	UploadMemory int64

	// TenantMemory is the limit of all instances of one tenant's uploads,
	// TotalUploadMemory that of all uploads, in bytes. Defaults: 256 MiB, 1 GiB.
	TenantMemory, TotalUploadMemory int64

	// Interpret runs the interpreter where the compiler is available: about
	// thirty times slower, the same bits. It is there to compare the two.
	Interpret bool
}

// Host owns the runtime, the compiled modules and the shards. Its methods may
// be called from any goroutine.
type Host struct {
	cfg     Config
	admit   admission
	account account
	engine  *engine
	shards  []*Shard

	compiling sync.Mutex // one compile at a time: it is the largest burst of CPU and memory here

	mu      sync.RWMutex // protects modules, closed
	modules []*Module    // in the order of Load; names without a prefix belong to the first
	uploads uploads
	closed  bool
}

// New starts a host that will load the modules with the given SHA-256 sums and
// refuse all others. It fails on a bad Config or an unusable CacheDir.
func New(ctx context.Context, cfg Config, trusted ...[sha256.Size]byte) (*Host, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configuring the indicator host: %w", err)
	}
	eng, err := newEngine(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("starting the indicator host: %w", err)
	}
	h := &Host{cfg: cfg, admit: trustedOnly(trusted, guarded(cfg.MaxMemory)), engine: eng}
	h.account.limit = cfg.MaxTotalMemory
	h.uploads.account = account{above: &h.account, limit: cfg.TotalUploadMemory}
	for i := range cfg.Shards {
		h.shards = append(h.shards, newShard(h, i))
	}
	return h, nil
}

// Shard returns the shard for a series: i modulo the number of shards. A
// series must stay with one number for as long as the host lives.
func (h *Host) Shard(i int) *Shard {
	n := len(h.shards)
	return h.shards[((i%n)+n)%n]
}

// Shards returns the number of shards.
func (h *Host) Shards() int { return len(h.shards) }

// Engine returns "compiler" or "interpreter". An operator should hear of the
// second: it is the engine of CPUs other than amd64 and arm64, and slow.
func (h *Host) Engine() string { return h.engine.name }

// Modules returns the loaded modules in the order of their loading.
func (h *Host) Modules() []*Module {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return append([]*Module(nil), h.modules...)
}

// Memory returns the bytes of linear memory that all guest instances have.
func (h *Host) Memory() int64 { return h.account.used.Load() }

// Close ends the shards, waits for the calls they are in, and releases every
// guest. Calls that come later return [ErrClosed]. Closing twice is harmless.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	h.mu.Unlock()
	for _, s := range h.shards {
		s.stop()
	}
	// A Load may still be compiling; its code must not outlive the runtime.
	h.compiling.Lock()
	defer h.compiling.Unlock()
	if err := h.engine.close(); err != nil {
		return fmt.Errorf("closing the indicator runtime: %w", err)
	}
	return nil
}

func (c Config) withDefaults() (Config, error) {
	procs := runtime.GOMAXPROCS(0)
	switch {
	case c.Shards == 0:
		c.Shards = procs
	case c.Shards < 0 || c.Shards > procs:
		return c, fmt.Errorf("shards is %d, allowed are 1 to %d (GOMAXPROCS)", c.Shards, procs)
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = defaultMaxMemory
	}
	c.MaxMemory -= c.MaxMemory % pageSize
	if c.MaxMemory < 4*slabSize || c.MaxMemory > runtimePages*pageSize {
		return c, fmt.Errorf("memory of one instance is %d bytes, allowed are %d to %d", c.MaxMemory, 4*slabSize, runtimePages*pageSize)
	}
	c.UploadMemory = orDefault(c.UploadMemory, maxUploadMemory)
	c.UploadMemory -= c.UploadMemory % pageSize
	if c.UploadMemory < 4*slabSize || c.UploadMemory > maxUploadMemory {
		return c, fmt.Errorf("memory of one uploaded instance is %d bytes, allowed are %d to %d", c.UploadMemory, 4*slabSize, maxUploadMemory)
	}
	c.TenantMemory = orDefault(c.TenantMemory, defaultTenantMemory)
	c.TotalUploadMemory = orDefault(c.TotalUploadMemory, defaultTotalUploadMemory)
	if c.MaxTotalMemory == 0 {
		c.MaxTotalMemory = defaultMaxTotalMemory
	}
	if c.MaxTotalMemory < c.MaxMemory {
		return c, fmt.Errorf("memory in sum is %d bytes, less than the %d bytes of one instance", c.MaxTotalMemory, c.MaxMemory)
	}
	return c, nil
}

func orDefault(v, def int64) int64 {
	if v == 0 {
		return def
	}
	return v
}
