//go:build unix

package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/server"
)

// site is a running binary with the sample of the repository on ports of its own.
type site struct {
	*server.Binary
	t       *testing.T
	address string // http://127.0.0.1:port
	host    string
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// startSite starts the binary on docs/demo and waits until there are bars.
func startSite(t *testing.T) *site {
	t.Helper()
	return startSample(t, "Caddyfile")
}

// startUploads starts the sample that takes modules from ann.
func startUploads(t *testing.T) *site {
	t.Helper()
	return startSample(t, "Caddyfile.uploads", [2]string{"\tkline {\n", "\tkline {\n\t\tindicators {\n\t\t\tsync_interval 1s\n\t\t}\n"})
}

func startSample(t *testing.T, sample string, changes ...[2]string) *site {
	t.Helper()
	path := os.Getenv("KLINE_BIN")
	if path == "" {
		path = filepath.Join(root(t), "bin", "caddy")
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("not run: no caddy binary: run 'make build', or name one in KLINE_BIN")
	}
	ports := server.FreePorts(t, 3)
	host := fmt.Sprintf("127.0.0.1:%d", ports[0])
	b := server.StartBinary(t, server.BinaryConfig{Path: path, Config: caddyfile(t, sample, host, ports[1], ports[2], changes...)})
	s := &site{Binary: b, t: t, address: "http://" + host, host: host}
	s.ready()
	return s
}

// caddyfile is a sample of the repository, with ports of the test and the trades by their full path.
func caddyfile(t *testing.T, sample, host string, kafka, admin int, changes ...[2]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), sample))
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for _, change := range append(changes, [][2]string{
		{"\tkline {\n", fmt.Sprintf("\tadmin 127.0.0.1:%d\n\tkline {\n", admin)},
		{"source embedded\n", fmt.Sprintf("source embedded {\n\t\t\tlisten 127.0.0.1:%d\n\t\t}\n", kafka)},
		{"docs/demo/", filepath.Join(root(t), "docs", "demo") + "/"},
		{":8080 {", "http://" + host + " {"},
	}...) {
		if strings.Count(out, change[0]) != 1 {
			t.Fatalf("adapting the sample: %q is in it %d times instead of once", change[0], strings.Count(out, change[0]))
		}
		out = strings.Replace(out, change[0], change[1], 1)
	}
	return out
}

// ready waits until the preload has been aggregated.
func (s *site) ready() {
	s.t.Helper()
	s.WaitURL(s.address+"/v1/health", time.Minute)
	deadline := time.Now().Add(time.Minute)
	for len(s.bars("BTCUSD", "1m", "limit=500")) < 500 {
		if time.Now().After(deadline) {
			s.t.Fatal("waiting for 500 bars: not there after a minute")
		}
		time.Sleep(100 * time.Millisecond) // another process: there is nothing to wait on but its answers
	}
}

// bar is what the tests compare.
type bar struct {
	T     int64   `json:"t"`
	Until int64   `json:"T"` // or the decoder, which ignores case, would put it into T
	O     float64 `json:"o"`
	H     float64 `json:"h"`
	L     float64 `json:"l"`
	C     float64 `json:"c"`
	V     float64 `json:"v"`
	Rev   int     `json:"rev"`
	Final bool    `json:"final"`
}

func (s *site) bars(sym, itv, more string) []bar {
	s.t.Helper()
	var body struct{ Bars []bar }
	s.get(fmt.Sprintf("/v1/klines?sym=%s&itv=%s&%s", sym, itv, more), &body)
	return body.Bars
}

func (s *site) get(path string, into any) {
	s.t.Helper()
	response, err := http.Get(s.address + path)
	if err != nil {
		s.t.Fatalf("asking %s: %v", path, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("asking %s: status %d, %v: %.200q", path, response.StatusCode, err, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		s.t.Fatalf("asking %s: %v", path, err)
	}
}

// upload sends a module as ann and has it activated.
func (s *site) upload(name string, wasm []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.address+"/v1/modules/"+name+"?activate=1", bytes.NewReader(wasm))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("ann", "change-me")
	req.Header.Set("Content-Type", "application/wasm")
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatalf("uploading %s: %v", name, err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); response.StatusCode != http.StatusCreated {
		s.t.Fatalf("uploading %s: status %d, %v: %.500q", name, response.StatusCode, err, body)
	}
}

// streams waits until the server has n open event streams.
func (s *site) streams(n int) {
	s.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var status struct{ Streams int }
		s.get("/v1/status", &status)
		if status.Streams == n {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("waiting for %d streams: the server has %d", n, status.Streams)
		}
		time.Sleep(100 * time.Millisecond) // another process: there is nothing to wait on but its answers
	}
}
