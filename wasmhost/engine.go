package wasmhost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// engine is the wazero runtime with what has to be closed after it.
type engine struct {
	name    string
	runtime wazero.Runtime
	cache   wazero.CompilationCache
}

func newEngine(ctx context.Context, cfg Config) (*engine, error) {
	e := &engine{name: "compiler"}
	rc := wazero.NewRuntimeConfig()
	if cfg.Interpret || (runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64") {
		e.name, rc = "interpreter", wazero.NewRuntimeConfigInterpreter()
	}
	// Close-on-context-done stays off: it costs more than an indicator does,
	// per call and per loop turn, and does not stop recursion. Reference types
	// stay off: table instructions escape the memory limit.
	rc = rc.WithCloseOnContextDone(false).
		WithCoreFeatures(api.CoreFeaturesV2 &^ api.CoreFeatureReferenceTypes).
		WithMemoryLimitPages(runtimePages).
		WithDebugInfoEnabled(false)
	if cfg.CacheDir != "" {
		cache, err := openCache(cfg.CacheDir)
		if err != nil {
			return nil, err
		}
		e.cache, rc = cache, rc.WithCompilationCache(cache)
	}
	e.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	if err := instantiateWASI(ctx, e.runtime); err != nil {
		return nil, fmt.Errorf("providing the system stubs: %w", err)
	}
	return e, nil
}

// compile turns admitted bytes into native code. A deadline of ctx is honoured
// between functions; there is no other one, because a start on a slow machine
// must not fail for a module that is known.
func (e *engine) compile(ctx context.Context, bin []byte) (wazero.CompiledModule, error) {
	cm, err := e.runtime.CompileModule(withCompilationWorkers(ctx), bin)
	if err != nil {
		return nil, fmt.Errorf("compiling: %w", err)
	}
	return cm, nil
}

// close releases every instance. It uses a context of its own: the caller's is
// usually dead when a process shuts down.
func (e *engine) close() error {
	err := e.runtime.Close(context.Background())
	if e.cache != nil {
		if cerr := e.cache.Close(context.Background()); err == nil {
			err = cerr
		}
	}
	return err
}

// openCache refuses a directory that others can write to: its files are
// executed.
func openCache(dir string) (wazero.CompilationCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the compilation cache: %w: it needs a data folder that this user may write to (XDG_DATA_HOME or HOME says where)", err)
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("checking the compilation cache: %w", err)
	}
	if err := privateDir(dir, fi); err != nil {
		return nil, fmt.Errorf("checking the compilation cache: %w", err)
	}
	// Code of other prices is of no use; in a folder of its own it is easy to
	// see what may be deleted.
	cache, err := wazero.NewCompilationCacheWithDir(filepath.Join(dir, guard.Version))
	if err != nil {
		return nil, fmt.Errorf("opening the compilation cache: %w", err)
	}
	return cache, nil
}
