package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// guest is a node on embedded defaults whose configuration is changed while it
// runs, through the admin endpoint as `caddy reload` does it.
type guest struct {
	*bed
	admin string // host:port
}

func newGuest(t *testing.T, words string) *guest {
	t.Helper()
	ports := server.FreePorts(t, 2)
	g := &guest{
		bed:   &bed{t: t, place: newEmbedded(t, 1), http: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), words: words},
		admin: fmt.Sprintf("127.0.0.1:%d", ports[1]),
	}
	g.node = server.StartBinary(t, server.BinaryConfig{Path: os.Getenv("KLINE_BIN"), Config: g.config(words, "")})
	g.ready()
	return g
}

// config is the Caddyfile with further words in the kline block, and further
// sites.
func (g *guest) config(words, sites string) string {
	return fmt.Sprintf("{\n\tadmin %s\n\tkline {\n\t\t%s\n\t\t%s\n\t}\n}\n%s {\n\thandle /v1/stream {\n\t\tkline_stream\n\t}\n\thandle /v1/* {\n\t\tklines {\n\t\t\trate 100000 100000\n\t\t}\n\t}\n}\n%s",
		g.admin, g.place.source(), words, g.http, sites)
}

// load reloads, also if nothing has changed, and returns the answer.
func (g *guest) load(config string) (status int, body string) {
	g.t.Helper()
	for attempt := 0; ; attempt++ {
		status, body, err := g.tryLoad(config)
		if err == nil {
			return status, body
		}
		if attempt == 20 || !replaced(err) {
			g.t.Fatalf("reloading: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// replaced tells whether err is what a client sees of an admin endpoint that
// Caddy has just replaced, as every reload does: a connection that the old
// listener had not accepted is reset, and a request that the old server read
// when it was shutting down already is dropped without an answer.
func replaced(err error) bool {
	for _, sign := range []error{syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE, io.EOF} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// tryLoad reloads a node that may be gone before it has answered.
func (g *guest) tryLoad(config string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.admin+"/load", strings.NewReader(config))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "text/caddyfile")
	req.Header.Set("Cache-Control", "must-revalidate")
	req.Close = true // every reload also replaces the admin endpoint, and with it its connections
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// reload loads a configuration that must be accepted.
func (g *guest) reload(config string) {
	g.t.Helper()
	if status, body := g.load(config); status != http.StatusOK {
		g.t.Fatalf("the reload was answered with %d: %s", status, body)
	}
}

var (
	goroutineCount = regexp.MustCompile(`goroutine profile: total (\d+)`)
	heapBytes      = regexp.MustCompile(`# HeapAlloc = (\d+)`)
)

// weight is what the process holds after a garbage collection.
type weight struct {
	goroutines, heap int64
}

// weigh takes the smallest of several looks, since each look is a request of
// its own and catches others at work.
func (g *guest) weigh() weight {
	g.t.Helper()
	least := weight{1 << 40, 1 << 40}
	for range 5 {
		least.goroutines = min(least.goroutines, g.profile("goroutine?debug=1", goroutineCount))
		least.heap = min(least.heap, g.profile("heap?debug=1&gc=1", heapBytes))
		time.Sleep(100 * time.Millisecond)
	}
	return least
}

// lighter waits until the process has no more goroutines than allowed: what
// ends late on a busy machine is no leak. One that stays is told by its stacks.
func (g *guest) lighter(allowed int64, behind string) weight {
	g.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		w := g.weigh()
		if w.goroutines <= allowed {
			return w
		}
		if time.Now().After(deadline) {
			g.t.Errorf("%d goroutines behind %s, at most %d are allowed:\n%s", w.goroutines, behind, allowed,
				g.node.WaitURL("http://"+g.admin+"/debug/pprof/goroutine?debug=1", patience))
			return w
		}
	}
}

func (g *guest) profile(name string, number *regexp.Regexp) int64 {
	g.t.Helper()
	text := g.node.WaitURL("http://"+g.admin+"/debug/pprof/"+name, patience)
	m := number.FindSubmatch(text)
	if m == nil {
		g.t.Fatalf("the profile %s has no line %s", name, number)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}
