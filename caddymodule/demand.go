package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	cache string

	mu       sync.Mutex // protects everything below
	host     *wasmhost.Host
	ended    bool
	shard    int                      // of the next state
	programs map[string]serve.Program // by the text of the request
	uploads  map[string]*activeUpload // by name of the module
	watcher  func(f fault)            // told of faults; nil: nobody
}

// activeUpload is the version of an uploaded module that requests mean.
type activeUpload struct {
	module      *wasmhost.Module
	quarantined bool
}

// fault is a program that failed on a series.
type fault struct {
	module, version  string
	symbol, interval string
	text             string
}

// errDemandEnded is the error of requests that come while the engine ends.
var errDemandEnded = errors.New("indicators are not computed any more: the engine ends")

func newDemand(cache string) *demand {
	return &demand{cache: cache, programs: map[string]serve.Program{}, uploads: map[string]*activeUpload{}}
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
	clear(d.programs)
	if d.host != nil {
		_ = d.host.Close() // the memory is gone either way
		d.host = nil
	}
}

// Program implements serve.Computer.
func (d *demand) Program(text string) (serve.Program, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.programs[text]; ok {
		return p, nil
	}
	host, err := d.running()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serve.ErrUnavailable, err)
	}
	p, err := d.compile(host, text, maxChain)
	if err != nil {
		return nil, err
	}
	if len(d.programs) >= maxPrograms {
		clear(d.programs)
	}
	// Every spelling of an instance is the same program: the hub tells versions
	// apart by it.
	if same, ok := d.programs[p.Meta().Name]; ok {
		p = same
	}
	d.programs[text], d.programs[p.Meta().Name] = p, p
	return p, nil
}

// compile reads an expression, whose src may be another one.
func (d *demand) compile(host *wasmhost.Host, text string, depth int) (serve.Program, error) {
	outer, inner, chained, err := splitSource(text)
	if err != nil {
		return nil, err
	}
	if !chained {
		return d.single(host, text)
	}
	if depth == 1 {
		return nil, fmt.Errorf("reading indicator %q: src nests deeper than %d", cut(text), maxChain)
	}
	from, err := d.compile(host, inner, depth-1)
	if err != nil {
		return nil, err
	}
	to, err := d.single(host, outer)
	if err != nil {
		return nil, err
	}
	return chain(to, from)
}

// single is an instance of the module that the expression names.
func (d *demand) single(host *wasmhost.Host, text string) (*program, error) {
	name, err := wasmhost.ModuleOf(text)
	if err != nil {
		return nil, err
	}
	p := &program{demand: d, host: host}
	if name == "" || name == builtinModule {
		p.inst, err = host.Resolve(text)
	} else {
		p.inst, err = d.upload(host, name, text, p)
	}
	if err != nil {
		return nil, err
	}
	p.meta = metaOf(p.inst)
	return p, nil
}

// upload resolves an expression in the version of an uploaded module that is
// active.
func (d *demand) upload(host *wasmhost.Host, name, text string, p *program) (*wasmhost.Instance, error) {
	u := d.uploads[name]
	if u == nil {
		return nil, fmt.Errorf("reading indicator %q: no module %s is active", cut(text), name)
	}
	p.quarantined = u.quarantined
	return host.ResolveIn(u.module, text)
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
func (d *demand) Fault(p serve.Program, symbol, interval, text string) {
	m := p.Meta()
	d.mu.Lock()
	watcher := d.watcher
	d.mu.Unlock()
	if watcher != nil {
		watcher(fault{module: m.Module, version: m.Version, symbol: symbol, interval: interval, text: text})
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
