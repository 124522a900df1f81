package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/sdk"
)

// uploaded is a module as an author sends it.
type uploaded struct {
	kind string // language of the template, "code" for the module that is made by code, goToolchain
	name string
	ind  string // an indicator of it, with parameters
	file string
	wasm []byte
}

// goToolchain is the Go template as the Go toolchain builds it, which brings a runtime of megabytes along.
const goToolchain = "go-toolchain"

// outside is a file that only the toolchain takes.
const outside = "//go:build wasip1\n\npackage main\n\nvar names = map[string]int{}\n\n//go:wasmexport extra\nfunc extra() int32 { return int32(len(names)) }\n"

// isGo tells those that have the goals of Go.
func (u *uploaded) isGo() bool { return u.kind == "go" || u.kind == goToolchain }

// uploads measures what an author waits for, and what the guests cost that he sends: the templates of all languages whose tools are
// there, and a small module that is made by code.
func (b *bench) uploads() error {
	modules, err := b.modules(0)
	if err != nil {
		return err
	}
	return errors.Join(b.liveLines(modules), b.guestCosts(modules), b.guardCost())
}

// modules builds one module of each kind. The round is in their names: bytes that were seen before are compiled faster.
func (b *bench) modules(round int) ([]uploaded, error) {
	name := fmt.Sprintf("bench-code-%d", round)
	made := badwasm.Conforming()
	made.Describe(`{"abi":1,"name":"` + name + `","version":"1.0.0","indicators":[{"id":0,"name":"total","input":"src","warmup":2147483647,
	 "params":[{"name":"period","type":"int","default":20,"min":1,"max":100}],"outputs":[{"name":"value"}]}]}`)
	all := []uploaded{{kind: "code", name: name, ind: "total(20)", file: filepath.Join(b.dir, name+".wasm"), wasm: made.Bytes()}}
	if err := os.WriteFile(all[0].file, all[0].wasm, 0o600); err != nil {
		return nil, fmt.Errorf("writing a module: %w", err)
	}
	languages := sdk.Languages()
	for i, kind := range []string{"go", "rust", "c", "as", goToolchain} {
		l := languages[i%len(languages)]
		u := uploaded{kind: kind, name: fmt.Sprintf("bench-%s-%d", kind, round), ind: "sma(200)"}
		err := u.build(l, b.dir)
		if missing := new(sdk.MissingToolError); errors.As(err, &missing) {
			say("uploads: the %s template is not measured: %v", l.Title, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("building the %s template: %w", l.Title, err)
		}
		all = append(all, u)
	}
	return all, nil
}

func (u *uploaded) build(l sdk.Language, dir string) (err error) {
	source := filepath.Join(dir, u.name)
	if err := l.Write(source, u.name); err != nil {
		return err
	}
	if u.kind == goToolchain {
		if err := os.WriteFile(filepath.Join(source, "outside.go"), []byte(outside), 0o600); err != nil {
			return fmt.Errorf("writing a source: %w", err)
		}
	}
	u.file = source + ".wasm"
	if err := l.Build(context.Background(), source, u.file, nil); err != nil {
		return err
	}
	u.wasm, err = os.ReadFile(u.file)
	return err
}

const (
	lineSeries = 10
	lineBars   = 1000
)

// lineSite is a node on embedded defaults that holds 1,000 bars of ten symbols and takes modules.
func (b *bench) lineSite() (*site, error) {
	ports, err := b.ports(2)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(b.dir, "uploads")
	base := fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	s, err := b.serve(b.caddy, home, fmt.Sprintf(`{
	admin off
	kline {
		source embedded {
			listen 127.0.0.1:%d
		}
	}
}
%s {
	handle /v1/modules* {
		kline_indicators {
			allow_unauthenticated
			max_uploads_per_hour 1000
			max_uploads_per_day 1000
		}
	}
	handle /v1/* {
		klines {
			rate 100000 100000
		}
	}
}
`, ports[0], base))
	if err != nil {
		return nil, err
	}
	s.url = base
	if err := s.until("the node", time.Minute, func() bool { return answers(base + "/v1/health") }); err != nil {
		return nil, err
	}
	w := workload{name: "ticks", symbols: lineSeries, rate: 1, trades: (lineBars + 60) * 60}
	if _, err := fill(fmt.Sprintf("127.0.0.1:%d", ports[0]), w); err != nil {
		return nil, err
	}
	return s, s.until("the bars", time.Minute, func() bool { return s.lines("/v1/klines?", "bars") == nil })
}

// liveLines measures from the last byte of an upload to the values of all series over all bars.
func (b *bench) liveLines(modules []uploaded) error {
	s, err := b.lineSite()
	if err != nil {
		return err
	}
	took := map[string][]float64{}
	for round := range b.rounds {
		if round > 0 {
			if modules, err = b.modules(round); err != nil {
				return err
			}
		}
		for i := range modules {
			u := &modules[i]
			seconds, err := s.line(u)
			if err != nil {
				return err
			}
			took[u.kind] = append(took[u.kind], seconds)
		}
	}
	for i := range modules {
		goal := 1.0
		if modules[i].kind == goToolchain {
			goal = 4
		}
		b.figure("upload_to_live_line_s["+modules[i].kind+"]", median(took[modules[i].kind]), "<=", goal)
	}
	_, err = s.stop()
	return err
}

// sent notes when the last byte of a body was read.
type sent struct {
	io.Reader
	at time.Time
}

// Read implements io.Reader.
func (s *sent) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.at = time.Now()
	return n, err
}

// line uploads and activates a module and returns the seconds from the end of its body to the last of the lines.
func (s *site) line(u *uploaded) (float64, error) {
	body := &sent{Reader: bytes.NewReader(u.wasm)}
	req, err := http.NewRequest(http.MethodPut, s.url+"/v1/modules/"+u.name+"?activate=1", body)
	if err != nil {
		return 0, fmt.Errorf("uploading: %w", err)
	}
	req.ContentLength = int64(len(u.wasm))
	req.Header.Set("Content-Type", "application/wasm")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("uploading: %w", err)
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusCreated || !bytes.Contains(answer, []byte(`"state":"active"`)) {
		return 0, fmt.Errorf("uploading %s: status %d: %.500s (%w)", u.name, resp.StatusCode, answer, err)
	}
	query := "/v1/values?ind=" + url.QueryEscape(u.name+"/"+u.ind) + "&"
	if err := s.until("the lines of "+u.name, time.Minute, func() bool { err = s.lines(query, "rows"); return err == nil }); err != nil {
		return 0, err
	}
	return time.Since(body.at).Seconds(), nil
}

// lines reads the bars or values of all series at once; it is an error unless there are enough of each and the last has a value.
func (s *site) lines(query, key string) error {
	var all sync.WaitGroup
	errs := make([]error, lineSeries)
	for i := range errs {
		all.Go(func() {
			var page map[string]json.RawMessage
			var rows []json.RawMessage
			if errs[i] = get(fmt.Sprintf("%s%ssym=S%04d&itv=1m&closed=1&limit=%d", s.url, query, i, lineBars), &page); errs[i] != nil {
				return
			}
			if errs[i] = json.Unmarshal(page[key], &rows); errs[i] == nil && (len(rows) < lineBars || bytes.Contains(rows[len(rows)-1], []byte("null"))) {
				errs[i] = fmt.Errorf("series %d has %d rows", i, len(rows))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
