package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

const (
	maxUploadMemory          = 16 << 20
	defaultTenantMemory      = 256 << 20
	defaultTotalUploadMemory = 1 << 30

	// compileTime ends the compilation of an upload, between two functions. What
	// the guard lets through takes a second or two; a busy machine may need
	// several times that, and is no reason to refuse what was active before.
	compileTime = time.Minute
)

// uploads are the modules that nobody vouches for. Host.mu protects the lists.
type uploads struct {
	account account // of all tenants
	tenants map[string]*account
	modules []*Module
}

// LoadUpload loads a module that nobody vouches for, on the account of a tenant:
// with the limits of an upload, less fuel per bar and less memory. Loading the
// same bytes for the same tenant again returns the same Module. Two versions of
// a module can be loaded at once; expressions reach them through [Host.ResolveIn].
func (h *Host) LoadUpload(ctx context.Context, wasm []byte, tenant string) (*Module, error) {
	sum := sha256.Sum256(wasm)
	h.compiling.Lock()
	defer h.compiling.Unlock()
	if m, err := h.uploaded(sum, tenant); m != nil || err != nil {
		return m, err
	}
	m := &Module{SHA256: sum, Tenant: tenant, budget: uploadBudget(), account: h.tenant(tenant), memory: h.cfg.UploadMemory}
	ctx, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	if err := h.load(ctx, m, wasm, h.guardUpload, h.registerUpload); err != nil {
		return nil, err
	}
	return m, nil
}

// guardUpload is the admission of uploads.
func (h *Host) guardUpload(wasm []byte) ([]byte, error) {
	rules := guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()}
	rules.Limits.Pages = int(h.cfg.UploadMemory / pageSize)
	out, _, err := guard.Instrument(wasm, rules)
	return out, err
}

func (h *Host) uploaded(sum [sha256.Size]byte, tenant string) (*Module, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return nil, ErrClosed
	}
	i := slices.IndexFunc(h.uploads.modules, func(m *Module) bool { return m.SHA256 == sum && m.Tenant == tenant })
	if i < 0 {
		return nil, nil
	}
	return h.uploads.modules[i], nil
}

// tenant is the account of a tenant.
func (h *Host) tenant(name string) *account {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.uploads.tenants[name]
	if a == nil {
		a = &account{above: &h.uploads.account, limit: h.cfg.TenantMemory}
		if h.uploads.tenants == nil {
			h.uploads.tenants = map[string]*account{}
		}
		h.uploads.tenants[name] = a
	}
	return a
}

// errTrustedName keeps an upload from passing for a module of the host.
var errTrustedName = errors.New("the name belongs to a module that the program brings")

func (h *Host) registerUpload(m *Module) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	if slices.ContainsFunc(h.modules, func(o *Module) bool { return o.Name == m.Name }) {
		return fmt.Errorf("module %s: %w", quoted(m.Name), errTrustedName)
	}
	h.uploads.modules = append(h.uploads.modules, m)
	return nil
}

// Unload ends all instances of an upload and frees its code. Its slots have to
// be closed before; calls of those that are not fail afterwards.
func (h *Host) Unload(ctx context.Context, m *Module) error {
	h.compiling.Lock()
	defer h.compiling.Unlock()
	h.mu.Lock()
	i := slices.Index(h.uploads.modules, m)
	if i >= 0 {
		h.uploads.modules = slices.Delete(h.uploads.modules, i, i+1)
	}
	h.mu.Unlock()
	if i < 0 {
		return nil
	}
	for _, s := range h.shards {
		if err := s.do(func(s *Shard) error { s.retire(m); return nil }); err != nil {
			return fmt.Errorf("unloading module %s: %w", m.Name, err)
		}
	}
	if err := m.compiled.Close(ctx); err != nil {
		return fmt.Errorf("unloading module %s: %w", m.Name, err)
	}
	return nil
}

// retire closes what is left of a module's slots, then its instances: a slot
// must never point into memory that was returned.
func (s *Shard) retire(m *Module) {
	for i := range s.slots.count {
		r := s.slots.at(i)
		if r.slab != nil && r.kind.inst.Module == m {
			_ = s.closeSlot(Slot{shard: s.slots.shard, index: i, gen: r.gen}) // it is open
		}
	}
	s.dropGuests(m)
}

// ResolveIn is Resolve for an indicator of one module, with or without the
// module's name in front. The canonical name carries it.
func (h *Host) ResolveIn(m *Module, expr string) (*Instance, error) {
	inst, err := resolveIn(m, expr)
	if err != nil {
		return nil, fmt.Errorf("reading indicator %s: %w", quoted(expr), err)
	}
	inst.Warmup, inst.StateSize, err = h.measureMinutes(inst)
	if err != nil {
		return nil, fmt.Errorf("reading indicator %s: %w", quoted(expr), err)
	}
	return inst, nil
}

func resolveIn(m *Module, expr string) (*Instance, error) {
	e, err := parseExpression(expr)
	if err != nil {
		return nil, err
	}
	if e.module != "" && e.module != m.Name {
		return nil, fmt.Errorf("module %s is asked for an indicator of %s", m.Name, quoted(e.module))
	}
	ind := m.Manifest.Indicator(e.name)
	if ind == nil {
		return nil, unknownIndicator([]*Module{m}, m, e.name)
	}
	inst, err := bindInstance(m, ind, e)
	if err != nil {
		return nil, err
	}
	inst.Name = m.Name + "/" + inst.Name
	return inst, nil
}

// ModuleOf is the module that an expression names, empty for none. The error is
// that of an expression that cannot be read.
func ModuleOf(expr string) (string, error) {
	e, err := parseExpression(expr)
	if err != nil {
		return "", fmt.Errorf("reading indicator %s: %w", quoted(expr), err)
	}
	return e.module, nil
}
