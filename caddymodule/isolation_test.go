package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// script is a program in the place of ours.
func script(t *testing.T, text string) isolation {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("not run: isolation needs Linux")
	}
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil { // #nosec G306 -- it has to run
		t.Fatal(err)
	}
	return isolation{program: file}
}

// Whatever becomes of the process is the module's fault, or this node's, never
// that of whoever asks for something else.
func TestAnExaminationMayBreakItsProcess(t *testing.T) {
	refused := func(r *registry.Report) bool {
		return r != nil && r.Refused() && r.Findings[0].Code == "isolation" && r.Findings[0].Stage == "isolation"
	}
	for name, c := range map[string]struct {
		text string
		ok   func(r *registry.Report, err error) bool
	}{
		"killed":      {"kill -9 $$", func(r *registry.Report, err error) bool { return err == nil && refused(r) }},
		"panics":      {"echo fatal error >&2; exit 2", func(r *registry.Report, err error) bool { return err == nil && refused(r) }},
		"lies":        {"echo '{\"sha256\":\"\"}'", func(r *registry.Report, err error) bool { return err == nil && refused(r) }},
		"half a word": {"printf '{\"sha256\":\"ab'", func(r *registry.Report, err error) bool { return err == nil && refused(r) }},
		"too much":    {"head -c 3000000 /dev/zero", func(r *registry.Report, err error) bool { return err == nil && refused(r) }},
		"the machine": {"echo too busy >&2; exit 70", func(r *registry.Report, err error) bool {
			return r == nil && err != nil && strings.Contains(err.Error(), "too busy")
		}},
		"no time": {"echo too busy >&2; exit 75", func(r *registry.Report, err error) bool {
			refusal, ok := errors.AsType[*registry.Refusal](err)
			return r == nil && ok && refusal.Reason == registry.Busy && refusal.Retry > 0 && refusal.Cause != nil
		}},
		"well": {`echo '{"sha256":"ab","module":"x","findings":[]}'`, func(r *registry.Report, err error) bool { return err == nil && !r.Refused() }},
	} {
		r, err := script(t, c.text).vet(t.Context(), []byte("wasm"), nil)
		if !c.ok(r, err) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := (isolation{program: "/does/not/exist"}).vet(t.Context(), nil, nil); r != nil || err == nil {
		t.Errorf("no program: %+v, %v", r, err)
	}
}

func TestAnExaminationSeesNoSecretsAndEndsWithItsCaller(t *testing.T) {
	t.Setenv("KLINE_CANARY", "canary-5d02")
	p := script(t, "env > \"$(dirname \"$0\")/seen\"; pwd >> \"$(dirname \"$0\")/seen\"; exit 70")
	_, _ = p.vet(t.Context(), nil, nil)
	seen, err := os.ReadFile(filepath.Join(filepath.Dir(p.program), "seen"))
	if err != nil || strings.Contains(string(seen), "canary") || !strings.HasSuffix(string(seen), "\n/\n") {
		t.Errorf("it sees %s, %v", seen, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := script(t, "exec sleep 600").vet(ctx, nil, nil); err == nil || time.Since(began) > 5*time.Minute { // it did not wait for the end of the sleep
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func TestExaminationsAreReadStrictly(t *testing.T) {
	good := encodeExamination([]byte("new"), []byte("old"))
	parts, err := decodeExamination(bytes.NewReader(good))
	if err != nil || string(parts[0]) != "new" || string(parts[1]) != "old" {
		t.Errorf("%q, %v", parts, err)
	}
	huge := bytes.Repeat([]byte{0xff}, 8)
	for _, bad := range [][]byte{nil, good[:10], good[:len(good)-1], huge} {
		if _, err := decodeExamination(bytes.NewReader(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
