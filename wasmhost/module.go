package wasmhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
)

// Module is a compiled module with its checked manifest. It never changes and
// lives as long as its host.
type Module struct {
	Name     string
	Version  string
	SHA256   [sha256.Size]byte // of the bytes given to Load; the identity of the module
	Manifest *Manifest

	// Tenant is whose upload it is; empty for a module that the host trusts.
	Tenant string

	compiled wazero.CompiledModule
	budget   budget
	account  *account
	memory   int64 // limit of an instance in bytes
	stats    stats
}

// Ver returns the first 8 hex digits of the SHA-256, as values carry it.
func (m *Module) Ver() string { return hex.EncodeToString(m.SHA256[:4]) }

// Load admits, compiles and starts a module, and checks its exports, its ABI
// version and its manifest. Loading the same bytes again returns the same
// Module. A second module with the name of a loaded one is refused.
func (h *Host) Load(ctx context.Context, wasm []byte) (*Module, error) {
	sum := sha256.Sum256(wasm)
	h.compiling.Lock()
	defer h.compiling.Unlock()
	if m, err := h.loaded(sum); m != nil || err != nil {
		return m, err
	}
	m := &Module{SHA256: sum, budget: builtinBudget(), account: &h.account, memory: h.cfg.MaxMemory}
	if err := h.load(ctx, m, wasm, h.admit, h.register); err != nil {
		return nil, err
	}
	return m, nil
}

// load admits, compiles and introduces a module, and registers it.
func (h *Host) load(ctx context.Context, m *Module, wasm []byte, admit admission, register func(*Module) error) error {
	bin, err := admit(wasm)
	if err != nil {
		return fmt.Errorf("admitting a module: %w", err)
	}
	if m.compiled, err = h.engine.compile(ctx, bin); err != nil {
		return fmt.Errorf("loading module sha256:%x: %w", m.SHA256[:4], err)
	}
	if err := h.introduce(m, register); err != nil {
		return errors.Join(fmt.Errorf("loading module sha256:%x: %w", m.SHA256[:4], err), m.compiled.Close(ctx))
	}
	return nil
}

// introduce runs the module once on the first shard and registers it.
func (h *Host) introduce(m *Module, register func(*Module) error) error {
	err := h.shards[0].do(func(s *Shard) error {
		g, err := s.guest(m)
		if err != nil {
			return err
		}
		doc, err := g.text("kl_describe", maxManifest)
		if err != nil {
			s.dropGuests(m)
			return fmt.Errorf("asking for the manifest: %w", err)
		}
		if m.Manifest, err = DecodeManifest(doc); err != nil {
			s.dropGuests(m)
		}
		return err
	})
	if err != nil {
		return err
	}
	m.Name, m.Version = m.Manifest.Name, m.Manifest.Version
	if err := register(m); err != nil {
		return errors.Join(err, h.shards[0].do(func(s *Shard) error { s.dropGuests(m); return nil }))
	}
	return nil
}

func (h *Host) loaded(sum [sha256.Size]byte) (*Module, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return nil, ErrClosed
	}
	i := slices.IndexFunc(h.modules, func(m *Module) bool { return m.SHA256 == sum })
	if i < 0 {
		return nil, nil
	}
	return h.modules[i], nil
}

func (h *Host) register(m *Module) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return ErrClosed
	}
	for _, other := range h.modules {
		if other.Name == m.Name {
			return fmt.Errorf("module %q is loaded already in version %s", m.Name, other.Version)
		}
	}
	h.modules = append(h.modules, m)
	return nil
}
