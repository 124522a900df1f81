package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// maxPrograms bounds the expressions whose programs are remembered.
const maxPrograms = 4096

// demand computes instances that nobody configured, in a host of its own: what
// users ask for and upload shares neither memory nor goroutines with the
// indicators on the way to the log. The host begins with the first request.
type demand struct {
	cache         string
	understanding *understanding

	// mu is held for moments: kills, metrics and each state that begins need it, so
	// no guest is asked with it.
	mu      sync.Mutex // protects everything below
	host    *wasmhost.Host
	ended   bool
	shard   int                     // of the next state
	turns   map[string][]serve.Turn // by the text of the request
	uploads meanings                // never changed, but replaced
	changes int                     // of uploads and host, so far
	watcher func(f fault)           // told of faults; nil: nobody
}

// meant is the version of a module that expressions mean for bars that open at
// or after from, ms UTC, up to the next one's.
type meant struct {
	from   int64
	module *wasmhost.Module
	err    error // why there is no module
}

// meanings are who computes which bars, by module.
type meanings map[string][]meant

// uploaded are versions of modules, by name.
type uploaded map[string]meant

// fault is a program that failed on a series. It has no module where the program is a
// chain of several and the error does not say whose it is.
type fault struct {
	module, version  string
	symbol, interval string
	err              error
}

// errDemandEnded is the error of requests that come while the engine ends.
var errDemandEnded = errors.New("indicators are not computed any more: the engine ends")

func newDemand(cache string) *demand {
	return &demand{cache: cache, turns: map[string][]serve.Turn{}, uploads: meanings{}, understanding: newUnderstanding()}
}

// running is the host, started with the first call.
func (d *demand) running() (*wasmhost.Host, error) {
	if d.ended {
		return nil, errDemandEnded
	}
	if d.host != nil {
		return d.host, nil
	}
	module := indicators.Module()
	host, err := wasmhost.New(context.Background(), wasmhost.Config{CacheDir: d.cache}, sha256.Sum256(module))
	if err != nil {
		return nil, err
	}
	if _, err := host.Load(context.Background(), module); err != nil {
		return nil, errors.Join(fmt.Errorf("loading the built-in module: %w", err), host.Close())
	}
	d.host = host
	return host, nil
}

// begin allows requests, also after a start that failed.
func (d *demand) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = false
}

// stop ends the host.
func (d *demand) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	d.changes++
	clear(d.turns)
	if d.host != nil {
		_ = d.host.Close() // the memory is gone either way
		d.host = nil
	}
}

// compile reads an expression, whose src may be another one.
func (d *demand) compile(ctx context.Context, host *wasmhost.Host, in uploaded, text string, depth int) (serve.Program, error) {
	outer, inner, chained, err := splitSource(text)
	if err != nil {
		return nil, &serve.ArgumentError{Err: err}
	}
	if !chained {
		return d.single(host, in, text)
	}
	if depth == 1 {
		return nil, &serve.ArgumentError{Err: fmt.Errorf("reading indicator %q: src nests deeper than %d", cut(text), maxChain)}
	}
	from, err := d.compile(ctx, host, in, inner, depth-1)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	to, err := d.single(host, in, outer)
	if err != nil {
		return nil, err
	}
	return chain(to, from)
}

// single is an instance of the module that the expression names.
func (d *demand) single(host *wasmhost.Host, in uploaded, text string) (*program, error) {
	name, err := wasmhost.ModuleOf(text)
	if err != nil {
		return nil, &serve.ArgumentError{Err: err}
	}
	p := &program{demand: d, host: host}
	if name == "" || name == builtinModule {
		p.inst, err = host.Resolve(text)
		err = blame(err, host.Modules()[0], text) // the built-in one was loaded first
	} else {
		p.inst, err = in.resolve(host, name, text)
	}
	if err != nil {
		return nil, err
	}
	p.meta = metaOf(p.inst)
	return p, nil
}

// resolve reads an expression in the version of an uploaded module.
func (u uploaded) resolve(host *wasmhost.Host, name, text string) (*wasmhost.Instance, error) {
	m, ok := u[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("reading indicator %q: no module %s is active", cut(text), cut(name))
	case m.module == nil:
		return nil, fmt.Errorf("reading indicator %q: no module %s is active: %w", cut(text), cut(name), m.err)
	}
	inst, err := host.ResolveIn(m.module, text)
	return inst, blame(err, m.module, text)
}

// blame tells parameters that an indicator does not take from an indicator that
// the module does not have.
func blame(err error, m *wasmhost.Module, text string) error {
	if err == nil {
		return nil
	}
	name, _, _ := strings.Cut(text, "(")
	name = name[strings.IndexByte(name, '/')+1:]
	if m.Manifest.Indicator(strings.TrimSpace(name)) == nil {
		return err
	}
	return &serve.ArgumentError{Err: err}
}

// load loads the bytes of a version.
func (d *demand) load(ctx context.Context, wasm []byte, tenant string) (*wasmhost.Module, error) {
	d.mu.Lock()
	host, err := d.running()
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return host.LoadUpload(ctx, wasm, tenant)
}

// unload gives back what a version holds.
func (d *demand) unload(ctx context.Context, m *wasmhost.Module) error {
	d.mu.Lock()
	host := d.host
	d.mu.Unlock()
	if host == nil {
		return nil
	}
	return host.Unload(ctx, m)
}

// mean says who computes which bars of a module, ascending; nil: nobody.
func (d *demand) mean(name string, turns []meant) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uploads = maps.Clone(d.uploads) // who reads an expression goes over the old one
	if len(turns) == 0 {
		delete(d.uploads, name)
	} else {
		d.uploads[name] = turns
	}
	d.changes++
	clear(d.turns)
}

// active lists the newest versions that expressions mean, by name.
func (d *demand) active() []*wasmhost.Module {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*wasmhost.Module
	newest := d.uploads.newest()
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		if m := newest[name].module; m != nil {
			out = append(out, m)
		}
	}
	return out
}

// with resolves expressions as if the module had that version.
func (d *demand) with(name string, m *wasmhost.Module) func(text string) (serve.Program, error) {
	return func(text string) (serve.Program, error) {
		d.mu.Lock()
		host, err := d.running()
		uploads := d.uploads
		d.mu.Unlock()
		if err != nil {
			return nil, err
		}
		in := uploads.newest()
		in[name] = meant{module: m}
		return d.compile(context.Background(), host, in, text, maxChain)
	}
}

// watch sets who is told of programs that fail.
func (d *demand) watch(f func(fault)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watcher = f
}

// next is the shard of a new state. A module that takes long shall not meet all
// states of another one.
func (d *demand) next(host *wasmhost.Host) *wasmhost.Shard {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shard++
	return host.Shard(d.shard)
}

// Fault implements serve.Faults.
func (d *demand) Fault(p serve.Program, symbol, interval string, err error) {
	f := fault{symbol: symbol, interval: interval, err: err}
	if sole(p) {
		f.module, f.version = p.Meta().Module, p.Meta().Version
	}
	d.mu.Lock()
	watcher := d.watcher
	d.mu.Unlock()
	if watcher != nil {
		watcher(f)
	}
}

// memory is what the guests hold in bytes.
func (d *demand) memory() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.host == nil {
		return 0
	}
	return d.host.Memory()
}

// Interface guards.
var (
	_ serve.Computer = (*demand)(nil)
	_ serve.Faults   = (*demand)(nil)
)
