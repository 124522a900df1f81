package caddymodule

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aead.dev/minisign"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// audited reads the audit log of a bed.
func (b *uploadBed) audited() []registry.Entry {
	b.t.Helper()
	var out []registry.Entry
	r := registry.New(registry.Config{Storage: &fileStore{dir: b.dir}, Now: clock.Real().Now})
	chain, err := r.Verify(b.t.Context(), registry.Anchor{}, func(e *registry.Entry, _ string) { out = append(out, *e) })
	if err != nil || chain.Broken != nil {
		b.t.Fatalf("the audit log: %v, %v", chain.Broken, err)
	}
	return out
}

// Who did what, from where, and who was not let do what, stands in the log; a
// thousand equal refusals do not wash it out.
func TestTheAuditLogNamesWhoDidWhat(t *testing.T) {
	c := clock.NewFake(time.UnixMilli(1_800_000_000_000))
	b := newUploadBed(t, c, func(u *Uploads) { u.Authors, u.Publishers = []string{"ann"}, []string{"pub"} })
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	for range 1000 {
		b.expect(403, "forbidden", put("<img src=x onerror=alert(1)>\u202e"[:20], "my-sum", nil))
	}
	for i := range 40 {
		b.expect(401, "unauthenticated", call{method: "DELETE", path: "/v1/modules/my-sum" + strings.Repeat("x", i)})
	}
	b.expect(404, "unknown-module", call{user: "ann", method: "GET", path: "/v1/modules/none-such"})
	m := b.engine.compute.modules
	// By steps that are shorter than a lock is believed: what is being written must
	// not be late, however busy the machine.
	if !soon(func() bool {
		if len(b.audited()) > 1+maxRefusals {
			return true
		}
		c.Advance(2 * time.Second)
		time.Sleep(5 * time.Millisecond)
		return false
	}) {
		t.Error("the refusals that came again were never entered")
	}
	m.stop()
	entries := b.audited()
	if len(entries) > 1+3*maxRefusals {
		t.Errorf("%d entries of a flood", len(entries))
	}
	total := 0
	for i, e := range entries {
		switch {
		case i == 0 && (e.Action != registry.ActionUpload || e.Actor != "ann" || e.Address == "" || e.Tenant != "default"):
			t.Errorf("the upload: %+v", e)
		case i > 0:
			if e.Action != registry.ActionRefused {
				t.Errorf("entry %+v", e)
			}
			total += max(1, e.Count)
		}
	}
	if total != 1040 {
		t.Errorf("%d refusals are accounted for, want 1040", total)
	}
	if line := entryLine(&registry.Entry{Actor: "\x1b[2J", Note: "a\nb"}); strings.ContainsAny(line, "\x1b\n") {
		t.Errorf("a terminal would obey %q", line)
	}
}

// storedBed writes a Caddyfile whose storage is that of a bed.
func storedBed(t *testing.T) (*uploadBed, string) {
	t.Helper()
	b := newUploadBed(t, clock.Real(), nil)
	b.engine.compute.modules.stop()
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte("{\n\tstorage file_system "+b.dir+"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return b, file
}

func TestModulesNeedTheSignatureOfTheirTenant(t *testing.T) {
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	rules := &Indicators{TrustedKeys: []TrustedKeys{{Tenant: "default", Keys: []string{public.String()}}}}
	b := newUploadBed(t, clock.Real(), nil)
	if b.engine.lent.newest().trust, err = rules.trusted(); err != nil {
		t.Fatal(err)
	}
	wasm := sumModule("my-sum", "1.0.0", "")
	header := func(signature []byte) []string {
		return []string{signatureHeader, base64.StdEncoding.EncodeToString(signature)}
	}
	w := b.expect(403, "unsigned", put("ann", "my-sum", wasm))
	if !strings.Contains(w.Body.String(), `"stage":"signature"`) || !strings.Contains(w.Body.String(), "indicator sign") {
		t.Errorf("it does not say what to do: %s", w.Body)
	}
	c := put("ann", "my-sum", wasm)
	c.header = header(minisign.Sign(private, append(wasm, 0)))
	b.expect(403, "unsigned", c)
	c.header = []string{signatureHeader, "%%%"}
	b.expect(400, "bad-signature-header", c)
	c.header = header([]byte(strings.Repeat("x", 4<<10)))
	b.expect(403, "unsigned", c)
	if n := len(b.files()); n != 0 {
		t.Errorf("refused uploads leave %d files", n)
	}
	c.header = header(minisign.Sign(private, wasm))
	b.expect(201, "", c)
	b.engine.lent.newest().trust = &trust{}
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "")))
}

// A key is made, kept from others, and signs what the registry trusts.
func TestSigningFromTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Without a password: to protect a key takes seconds and a gigabyte, so that is
	// tried with the built program.
	text, err := private.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(signVariable, "x")
	if code, err := newSigningKey(key); code == 0 || err == nil {
		t.Error("a key was replaced")
	}
	if left, err := os.ReadFile(key); err != nil || !bytes.Equal(left, text) {
		t.Errorf("the key was changed: %v", err)
	}
	wasm := sumModule("my-sum", "1.0.0", "")
	signature, err := sign(t.Context(), wasm, key)
	if err != nil {
		t.Fatal(err)
	}
	if !minisign.Verify(public, wasm, signature) || !strings.Contains(string(signature), "my-sum 1.0.0") {
		t.Errorf("signed: %s", signature)
	}
	if _, err := sign(t.Context(), []byte("no module"), key); err == nil {
		t.Error("what is no module is signed")
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sign(t.Context(), wasm, key); err == nil || strings.Contains(err.Error(), "no key") {
		t.Errorf("with a key that is none: %v", err)
	}
}

func TestTheCommandsReadTheStorage(t *testing.T) {
	b, file := storedBed(t)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	run := func(want int, args ...string) string {
		t.Helper()
		out, err := (&indicatorBed{t: t}).run(append(args, "--config", file, "--adapter", "caddyfile")...)
		if (err == nil) != (want == 0) {
			t.Errorf("%v: %v, want code %d\n%s", args, err, want, out)
		}
		return out
	}
	run(0, "kill", "--module", "my-sum", "--reason", "smells")
	b.expect(403, "stopped", put("ann", "my-sum", sumModule("my-sum", "1.1.0", "")))
	if out := run(0, "kill"); !strings.Contains(out, "stopped: module my-sum") || !strings.Contains(out, "smells") {
		t.Errorf("listed: %s", out)
	}
	run(0, "lift", "--module", "my-sum")
	run(1, "lift", "--all")
	run(2, "lift")
	run(2, "kill", "--all", "--module", "x")
	if out := run(0, "audit"); !strings.Contains(out, "upload done by \"ann\"") || !strings.Contains(out, "kill done by \"command line\"") {
		t.Errorf("audit: %s", out)
	}
	out := run(0, "audit", "--verify")
	_, head, ok := strings.Cut(strings.TrimSpace(out), "head ")
	if !ok {
		t.Fatalf("verify: %s", out)
	}
	run(0, "audit", "--verify", "--head", head)
	run(2, "audit", "--head", "7")
	segment := filepath.Join(b.dir, "kline/audit/00000001.jsonl")
	text, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, []byte(strings.Replace(string(text), `"actor":"ann"`, `"actor":"bob"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(1, "audit", "--verify")
}
