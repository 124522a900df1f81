//go:build unix

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take for anything: the machines of a CI have few cores.
const patience = time.Minute

// tab is one page in a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // protects the two below
	problems []string
	allowed  []string
}

// browser starts Chromium with a new profile and returns the context that further tabs derive from.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("not run: chromium is missing: scripts/install-test-deps.sh chromium")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR=" + shortDir(t)), chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true), chromedp.Flag("lang", "en-GB"),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	// Without a first action each tab that derives from ctx would start a browser of its own.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	return ctx
}

// shortDir is a folder for the sockets of a browser that is killed at the end. The name of a socket has 108 bytes at most, and the
// folder of a test may take all of them.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kline")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// openTab opens address in a tab of parent.
func openTab(t *testing.T, parent context.Context, address string, width, height int64) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	t.Cleanup(p.check)
	p.do(chromedp.EmulateViewport(width, height))
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatalf("listening to the page: %v", err)
	}
	p.do(command(log.Enable, cdp.Empty{}), chromedp.Navigate(address))
	return p
}

// command makes an action of a command of the protocol whose result does not matter.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, c, params)
		return chromedp.Void{}, err
	}
}

// allow names texts of complaints that the test provokes.
func (p *tab) allow(texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, texts...)
}

func (p *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.note("uncaught: " + exception(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.note(fmt.Sprintf("console.%s: %s", e.Type, arguments(e.Args)))
		}
	case *log.EventEntryAdded:
		// Violations of the content policy and failed requests come here.
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.note(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception == nil {
		return d.Text
	}
	return d.Text + " " + d.Exception.Description
}

func arguments(list []*runtime.RemoteObject) string {
	var out []string
	for _, a := range list {
		out = append(out, string(a.Value)+a.Description)
	}
	return strings.Join(out, " ")
}

func (p *tab) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, text)
}

// check fails the test for what the page complained about.
func (p *tab) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.problems {
		expected := false
		for _, text := range p.allowed {
			expected = expected || strings.Contains(problem, text)
		}
		if !expected {
			p.t.Errorf("the page complained: %s", problem)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	// The first action of a context starts the browser and binds it to that context: it must be the long-lived one.
	if chromedp.FromContext(p.ctx).Target == nil {
		ctx = p.ctx
	}
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("driving the page: %v", err)
	}
}

// eval evaluates an expression in a tab. What it gives must be JSON.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify("+expression+")"))
	if err != nil {
		p.t.Fatalf("evaluating %s: %v", expression, err)
	}
	var out T
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		p.t.Fatalf("evaluating %s: reading %.200q: %v", expression, text, err)
	}
	return out
}

// wait asks the condition, an expression of JavaScript, every 50 ms until it holds.
func (p *tab) wait(what, condition string) {
	p.t.Helper()
	p.until(what, func() bool { return eval[bool](p, "Boolean("+condition+")") })
}

func (p *tab) until(what string, holds func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			p.t.Fatalf("waiting for %s: not so after %v; the page says %q, complaints %q", what, patience, eval[string](p, "document.body.innerText.slice(0, 600)"), p.said())
		case <-tick.C:
		}
	}
}

// becomes waits until nothing is wrong, and fails for what still is: the page draws, and the server sends, a little later.
func (p *tab) becomes(wrong func() []string) {
	p.t.Helper()
	var left []string
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if left = wrong(); len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	for _, what := range left {
		p.t.Error(what)
	}
}

func (p *tab) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.problems...)
}

// live waits until candles are drawn and the stream says live.
func (p *tab) live() {
	p.t.Helper()
	p.wait("candles and a live stream", "globalThis.klineDashboard?.inspect().view.chart?.candles > 0 && klineDashboard.inspect().state === 'live'")
}
