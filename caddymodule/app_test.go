package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// TestMain keeps all that Caddy and the engine write out of the user's folders.
// The folder is one for all tests: it holds the compiled indicators.
// compiledDir is where the engines of the tests keep compiled indicators: under
// the race detector it takes seconds to make them.
func compiledDir() string { return filepath.Join(caddy.AppDataDir(), "kline", "wasm") }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kline")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"XDG_DATA_HOME", "XDG_CONFIG_HOME"} {
		if err := os.Setenv(name, dir); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// fakeCore notes what the plugin asks of an engine.
type fakeCore struct {
	cfg      pipeline.Config
	hub      *serve.Hub
	startErr error

	mu      sync.Mutex // protects all below
	starts  int
	stops   int
	ready   bool
	running map[string]int // attached feeds

	ingested  []string
	trace     string
	ingestErr error
}

func (f *fakeCore) Start(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts++
	return f.startErr
}

func (f *fakeCore) Stop(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops++
	return nil
}

func (f *fakeCore) Hub() *serve.Hub { return f.hub }

func (f *fakeCore) Status() pipeline.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return pipeline.Status{Ready: f.ready, Degraded: []string{}, Delivery: "idempotent"}
}

func (f *fakeCore) Ingest(_ context.Context, source string, trace []byte, trades []core.Trade) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ingestErr != nil {
		return f.ingestErr
	}
	f.trace = string(trace)
	for i := range trades {
		f.ingested = append(f.ingested, source+" "+string(wire.AppendTrade(nil, &trades[i])))
	}
	return nil
}

func (f *fakeCore) Attach(feed pipeline.Feed) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running[feed.Name()]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running[feed.Name()]--
	}
}

func (f *fakeCore) AttachHistory(h pipeline.History) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running["history "+h.Name()]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.running["history "+h.Name()]--
	}
}

// fakePool replaces the process's pool by one that builds fake engines.
type fakePool struct {
	mu       sync.Mutex // protects cores
	cores    []*fakeCore
	startErr error
	buildErr error
}

func useFakePool(t *testing.T, c clock.Clock) *fakePool {
	t.Helper()
	p := new(fakePool)
	old := engines
	engines = newEnginePool(p.build, c)
	t.Cleanup(func() { engines = old })
	return p
}

func (p *fakePool) build(cfg pipeline.Config) (engineCore, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buildErr != nil {
		return nil, p.buildErr
	}
	hub := serve.NewHub(serve.HubConfig{LogID: "test", Partitions: 1, Intervals: []string{"1m"}, Clock: cfg.Clock})
	c := &fakeCore{cfg: cfg, hub: hub, startErr: p.startErr, running: make(map[string]int)}
	p.cores = append(p.cores, c)
	return c, nil
}

// started are the cores that were asked to start.
func (p *fakePool) started() []*fakeCore {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*fakeCore
	for _, c := range p.cores {
		if c.starts > 0 {
			out = append(out, c)
		}
	}
	return out
}

// provision runs a config up to Validate, as `caddy validate` does. The caller
// ends it with the function returned.
func provision(t *testing.T, cfg string) (*App, func(), error) {
	t.Helper()
	whole, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(whole)
	a := new(App)
	if err := caddy.StrictUnmarshalJSON([]byte(cfg), a); err != nil {
		t.Fatal(err)
	}
	err = a.Provision(ctx)
	if err == nil {
		err = a.Validate()
	}
	return a, cancel, err
}

func mustProvision(t *testing.T, cfg string) *App {
	t.Helper()
	a, cancel, err := provision(t, cfg)
	t.Cleanup(cancel)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const embeddedConfig = `{"source":{"source":"embedded"},"intervals":["1m"]}`

func TestValidatingAConfigStartsNothing(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	pool := useFakePool(t, clock.Real())
	a := mustProvision(t, embeddedConfig)
	if err := a.Cleanup(); err != nil {
		t.Fatal(err)
	}
	if n := len(pool.started()); n != 0 {
		t.Errorf("%d engines were started", n)
	}
	if left, _ := filepath.Glob(filepath.Join(caddy.AppDataDir(), "*")); len(left) != 0 {
		t.Errorf("the data folder has %v", left)
	}
}

func TestEngineOutlivesAReload(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	first := mustProvision(t, embeddedConfig)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	second := mustProvision(t, `{"source":{"source":"embedded"},"intervals":["1m"],"drain_timeout":"3s"}`)
	if second.engine != first.engine {
		t.Fatal("another drain_timeout made another engine")
	}
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if got := first.engine.lent.drainWindow().Seconds(); got != 3 {
		t.Errorf("drain window is %v s, want that of the newest config", got)
	}
	cleanup(t, first)
	cores := pool.started()
	if len(cores) != 1 || cores[0].starts != 1 || cores[0].stops != 0 {
		t.Fatalf("after the reload: %d engines, %+v", len(cores), cores[0])
	}
	cleanup(t, second)
	if cores[0].stops != 1 {
		t.Errorf("the engine was stopped %d times after its last config", cores[0].stops)
	}
}

func cleanup(t *testing.T, a *App) {
	t.Helper()
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := a.Cleanup(); err != nil {
		t.Fatal(err)
	}
}

func TestCleanupTwiceReleasesOnce(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	first, second := mustProvision(t, embeddedConfig), mustProvision(t, embeddedConfig)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	cleanup(t, second)
	cleanup(t, second)
	if core := pool.started()[0]; core.stops != 0 {
		t.Error("cleaning a config up twice destroyed the engine of another")
	}
	cleanup(t, first)
}

func TestCleanupAfterFailedProvisionLeavesTheRunningEngine(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	running := mustProvision(t, embeddedConfig)
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]string{
		"no source":         `{}`,
		"unknown interval":  `{"source":{"source":"embedded"},"intervals":["1Min"]}`,
		"unset variable":    `{"source":{"source":"kafka","brokers":["{env.KLINE_TEST_UNSET}"]}}`,
		"unknown delivery":  `{"source":{"source":"kafka","brokers":["a:1"],"delivery":"at most once"}}`,
		"its own dlq":       `{"source":{"source":"kafka","brokers":["a:1"],"topics":["dlq"]}}`,
		"its own klines":    `{"source":{"source":"kafka","brokers":["a:1"],"topics":["x.klines.live"],"output_prefix":"x."}}`,
		"node with a space": `{"source":{"source":"kafka","brokers":["a:1"]},"node":"node 1"}`,
		"node of dots":      `{"source":{"source":"kafka","brokers":["a:1"]},"node":".."}`,
		"no port":           `{"source":{"source":"embedded","listen":"127.0.0.1:99999"}}`,
		"memory":            `{"source":{"source":"embedded"},"view_memory":512}`,
		"short session":     `{"source":{"source":"kafka","brokers":["a:1"],"session_timeout":1000000000}}`,
		"bad instance":      `{"source":{"source":"embedded"},"indicators":{"compute":["SMA 20"]}}`,
		"unknown instance":  `{"source":{"source":"embedded"},"indicators":{"compute":["smaa(3)"]}}`,
		"bad parameter":     `{"source":{"source":"embedded"},"indicators":{"compute":["sma(0)"]}}`,
		"negative duration": `{"source":{"source":"embedded"},"intervals":["1m"],"idle_delay":-5}`,
		"missing file":      `{"source":{"source":"embedded"},"intervals":["1m"],"feeds":[{"feed":"replay","file":"/nowhere/x.csv"}]}`,
	} {
		a, cancel, err := provision(t, cfg)
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
		if err := a.Cleanup(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
	if core := pool.started()[0]; core.stops != 0 {
		t.Error("a rejected config destroyed the running engine")
	}
	cleanup(t, running)
}

func TestRejectedReloadGivesSettingsBack(t *testing.T) {
	useFakePool(t, clock.Real())
	running := mustProvision(t, embeddedConfig)
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	rejected := mustProvision(t, `{"source":{"source":"embedded"},"intervals":["1m"],"drain_timeout":"1s"}`)
	if err := rejected.Start(); err != nil {
		t.Fatal(err)
	}
	cleanup(t, rejected) // another app of that config failed
	if got := running.engine.lent.newest(); got != running.att {
		t.Error("the settings of the rejected config are still current")
	}
	cleanup(t, running)
}

func TestStartFailureNamesTheCauseAndMayBeRepeated(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	pool.startErr = errors.New("port 9092 is taken")
	a := mustProvision(t, embeddedConfig)
	err := a.Start()
	if err == nil || !strings.Contains(err.Error(), "port 9092 is taken") {
		t.Fatalf("Start said %v", err)
	}
	pool.startErr = nil
	if err := a.Start(); err != nil {
		t.Fatalf("the second start failed: %v", err)
	}
	cleanup(t, a)
}

func TestConfigThatTheEngineRefusesFailsProvision(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	pool.buildErr = errors.New("too many symbols")
	a, cancel, err := provision(t, embeddedConfig)
	defer cancel()
	if err == nil || !strings.Contains(err.Error(), "preparing engine: too many symbols") {
		t.Errorf("Provision said %v", err)
	}
	if err := a.Cleanup(); err != nil {
		t.Error(err)
	}
}

// A process that is told to stop would stand for a year.
func TestTimesThatNobodyMeansAreRefusedInJSON(t *testing.T) {
	for field, most := range map[string]string{
		`"idle_timeout":"721h"`:               "checking idle_timeout: 721h0m0s is more than 720h0m0s",
		`"drain_timeout":"61m"`:               "checking drain_timeout: 1h1m0s is more than 1h0m0s",
		`"indicators":{"sync_interval":"2h"}`: "checking sync_interval: 2h0m0s is more than 1h0m0s",
		`"idle_timeout":"720h","drain_timeout":"1h","indicators":{"sync_interval":"1h"}`: "",
	} {
		a := new(App)
		if err := json.Unmarshal([]byte("{"+field+"}"), a); err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(); (err == nil) != (most == "") || err != nil && err.Error() != most {
			t.Errorf("%s: %v, want %q", field, err, most)
		}
	}
}

func TestZeroDurationsAreNotTakenForUnset(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	a := mustProvision(t, `{"source":{"source":"embedded"},"intervals":["1m"],"idle_timeout":0,"allowed_lateness":0,"watermark_delay":0}`)
	defer cleanup(t, a)
	cfg := pool.cores[0].cfg
	if cfg.IdleTimeout >= 0 {
		t.Errorf("idle_timeout 0 gave %v, want below 0 (off)", cfg.IdleTimeout)
	}
	if cfg.AllowedLateness == 0 || cfg.AllowedLateness.Milliseconds() != 0 || cfg.WatermarkDelay == 0 {
		t.Errorf("lateness %v, delay %v: want zero milliseconds that are set", cfg.AllowedLateness, cfg.WatermarkDelay)
	}
}

func TestOptionTypesMarshal(t *testing.T) {
	for _, v := range []any{
		App{}, KafkaSource{SASL: &SASL{}, TLS: &TLSClient{}}, EmbeddedSource{}, MemoryStore{},
		RedisStore{TLS: &TLSClient{}}, ReplayFeed{}, Klines{Rate: &Rate{}}, Stream{},
	} {
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
}
