package wasmhost

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// ErrProbeCompile and ErrProbeStart tell at which step a
// module failed. The text behind them is about the module; other errors of a
// probe are about this program.
var (
	ErrProbeCompile = errors.New("compiling")
	ErrProbeStart   = errors.New("starting an instance")
)

// ProbeConfig bounds a [Probe].
type ProbeConfig struct {
	Limits    guard.Limits // the profile; Limits.Pages is the memory of one instance
	CacheDir  string       // as in Config; default: no cache
	Interpret bool         // as in Config
}

// Probe is one guarded and compiled module outside of any [Host]: with raw
// calls, for those who examine it. It trusts nothing it is told and keeps no
// series. A probe and its guests belong to one goroutine.
type Probe struct {
	engine   *engine
	compiled wazero.CompiledModule
	account  account
	limit    int64
	info     guard.Info
}

// NewProbe guards and compiles a module. A refusal by the guard is a
// [*guard.Finding]; one by the runtime wraps [ErrProbeCompile].
func NewProbe(ctx context.Context, module []byte, cfg ProbeConfig) (*Probe, error) {
	bin, info, err := guard.Instrument(module, guard.Rules{Limits: cfg.Limits, Surface: guard.KL1()})
	if err != nil {
		return nil, err
	}
	eng, err := newEngine(ctx, Config{CacheDir: cfg.CacheDir, Interpret: cfg.Interpret})
	if err != nil {
		return nil, fmt.Errorf("starting a runtime: %w", err)
	}
	p := &Probe{engine: eng, info: info, limit: int64(cfg.Limits.Pages) * pageSize}
	p.account.limit = probeGuests * p.limit
	if p.compiled, err = eng.runtime.CompileModule(withCompilationWorkers(ctx), bin); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrProbeCompile, firstLine(err)), eng.close())
	}
	return p, nil
}

// probeGuests is the number of instances whose memory may be in use at a time.
const probeGuests = 8

// Info is what the guard learned of the module.
func (p *Probe) Info() guard.Info { return p.info }

// Close releases the native code and every guest that is still open.
func (p *Probe) Close() error { return p.engine.close() }

// Memory is the bytes of linear memory that open guests have.
func (p *Probe) Memory() int64 { return p.account.used.Load() }

// Open instantiates the module without calling anything but a start section,
// which runs on the fuel of Limits.InitialFuel. An error wraps
// [ErrProbeStart].
func (p *Probe) Open() (*ProbeGuest, error) {
	def := p.compiled.ExportedMemories()["memory"]
	limit := p.limit
	if pages, ok := def.Max(); ok {
		limit = min(limit, int64(pages)*pageSize)
	}
	mem, err := newLinearMemory(&p.account, int64(def.Min())*pageSize, limit)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProbeStart, err)
	}
	g := &guest{account: &p.account, limit: uint64(limit), console: new(console)}
	g.ctx = &guestContext{context.Background(), g.console}
	g.mod, err = p.engine.runtime.InstantiateModule(withMemory(g.ctx, mem), p.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		mem.Free()
		return nil, fmt.Errorf("%w: the start section failed: %w", ErrProbeStart, firstLine(err))
	}
	if g.meter, err = meterOf(g.mod); err != nil {
		g.close()
		return nil, fmt.Errorf("%w: %w", ErrProbeStart, err)
	}
	g.console.meter = g.meter
	g.mem = g.mod.Memory()
	g.refresh()
	return &ProbeGuest{g: g, functions: map[string]*probeFunction{}}, nil
}
