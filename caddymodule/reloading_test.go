package caddymodule

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func embeddedIn(dir, listen string, partitions int) string {
	return fmt.Sprintf(`{"source":{"source":"embedded","data_dir":%q,"listen":%q,"partitions":%d},"intervals":["1m"]}`, dir, listen, partitions)
}

// The number of partitions is fixed with the log. A configuration with another
// one is refused while it is read: afterwards the engine before it is gone, and
// nothing would serve.
func TestAnotherNumberOfPartitionsIsRefusedBeforeTheReload(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	old := engines
	engines = newEnginePool(newPipeline, clock.Real())
	t.Cleanup(func() { engines = old })
	dir := filepath.Join(t.TempDir(), "broker")
	running := mustProvision(t, embeddedIn(dir, "127.0.0.1:0", 1))
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	defer cleanup(t, running)
	a, cancel, err := provision(t, embeddedIn(dir, "127.0.0.1:0", 2))
	defer cancel()
	if err == nil || !strings.Contains(err.Error(), "has 1 partitions, 2 are configured") {
		t.Errorf("Provision said %v", err)
	}
	if err := a.Cleanup(); err != nil {
		t.Error(err)
	}
	if phase(running.engine.phase.Load()) != phaseRunning {
		t.Error("the running engine was given up")
	}
}

// The folder is held by the engine that a reload is about to end, the port by
// somebody else: the reload must fail while that engine runs.
func TestAReloadToATakenPortKeepsTheRunningEngine(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	dir := t.TempDir()
	running := mustProvision(t, embeddedIn(dir, "127.0.0.1:0", 1))
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	defer cleanup(t, running)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	next := mustProvision(t, embeddedIn(dir, ln.Addr().String(), 1))
	if err := next.Start(); err == nil || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("Start said %v", err)
	}
	cleanup(t, next)
	if core := pool.started()[0]; core.stops != 0 {
		t.Error("the running engine was stopped")
	}
}

// What fails when the engine before has gone has nobody to tell but those who
// ask how the node is.
func TestHealthSaysWhyTheEngineDidNotStart(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	running := mustProvision(t, embeddedConfig)
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	pool.startErr = fmt.Errorf("the log of ticks is damaged: restore the folder")
	next := mustProvision(t, `{"source":{"source":"embedded"},"intervals":["5m"]}`)
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	cleanup(t, running)
	for end := time.Now().Add(time.Minute); phase(next.engine.phase.Load()) != phaseFailed; {
		if time.Now().After(end) {
			t.Fatal("the engine has not failed")
		}
		time.Sleep(time.Millisecond)
	}
	for _, target := range []string{"/v1/health", "/v1/status"} {
		w, _ := ask(t, testKlines(next.engine), "GET", target)
		if body := w.Body.String(); !strings.Contains(body, "the log of ticks is damaged: restore the folder") || !strings.Contains(body, "reload or restart") {
			t.Errorf("%s: %s", target, body)
		}
	}
	cleanup(t, next)
}
