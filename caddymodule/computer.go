package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// computer owns the indicator host of one engine: nothing runs before start,
// which compiles the built-in module, and nothing after stop.
type computer struct {
	specs  []string
	cache  string
	demand *demand

	modules *modules // uploaded ones; set before the engine is handed out
	turns   *activation

	running atomic.Pointer[hostIndicators] // nil before start and after stop
	mu      sync.Mutex                     // protects start against stop
}

// maxInstances bounds the indicators computed beside every bar.
const maxInstances = 64

// newComputer checks what can be checked without compiling the module: that is
// left to the start, since `caddy validate` comes this far, too.
func newComputer(specs []string, dataDir string) (*computer, error) {
	if err := checkCompute(specs); err != nil {
		return nil, err
	}
	cache := filepath.Join(dataDir, "wasm")
	return &computer{specs: specs, cache: cache, demand: newDemand(cache)}, nil
}

// checkCompute holds instances against the manifest of the built-in module, the
// only one whose values stand in the log. Errors say what is allowed.
func checkCompute(specs []string) error {
	if len(specs) > maxInstances {
		return fmt.Errorf("checking compute: %d instances, at most %d", len(specs), maxInstances)
	}
	manifest, err := wasmhost.DecodeManifest(indicators.Manifest())
	if err != nil {
		return fmt.Errorf("checking compute: %w", err)
	}
	seen := make(map[string]string, len(specs))
	for _, s := range specs {
		module, err := wasmhost.ModuleOf(s)
		if err != nil {
			return fmt.Errorf("checking compute: %q is not an instance such as ema(20): %w", cut(s), err)
		}
		if module != "" && module != builtinModule {
			return fmt.Errorf("checking compute: %q is of the module %s, and only built-in indicators are computed for everybody: readers ask for those of other modules by name", cut(s), cut(module))
		}
		c, err := manifest.Choose(s)
		if err != nil {
			return fmt.Errorf("checking compute: %w", err)
		}
		if first, twice := seen[c.Name]; twice {
			return fmt.Errorf("checking compute: %q stands twice, as %q before: both are %s", cut(s), cut(first), c.Name)
		}
		seen[c.Name] = s
	}
	return nil
}

// start compiles the module and resolves the instances. An instance that the
// module does not know fails the start: the operator must change it.
func (c *computer) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running.Load() != nil {
		return nil
	}
	c.demand.begin()
	module := indicators.Module()
	host, err := wasmhost.New(ctx, wasmhost.Config{CacheDir: c.cache}, sha256.Sum256(module))
	if err != nil {
		return err
	}
	h, err := newHostIndicators(ctx, host, module, c.specs)
	if err != nil {
		return errors.Join(err, host.Close())
	}
	c.running.Store(h)
	return nil
}

// stop ends the guests. It may be called without a start.
func (c *computer) stop() {
	if c.modules != nil {
		c.modules.stop()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.running.Swap(nil); h != nil {
		_ = h.host.Close() // the memory is gone either way
	}
	c.demand.stop()
}

// describe lists the indicators of the loaded modules.
func (c *computer) describe() ([]indicatorSummary, bool) {
	h := c.running.Load()
	if h == nil {
		return nil, false
	}
	return h.summaries(c.demand.active()), true
}

// publish hands the list of indicators and their manifests to the hub.
func (c *computer) publish(hub *serve.Hub) error {
	host := c.running.Load()
	if host == nil {
		return nil
	}
	list, manifests, err := host.documents(c.demand.active())
	if err != nil {
		return err
	}
	hub.SetIndicators(list, manifests)
	return nil
}

// beginTurns lets uploads compute, as soon as there is a hub to show them.
func (c *computer) beginTurns() {
	if c.modules != nil {
		c.modules.start(c.turns.ctx)
	}
}
