package caddymodule

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func TestActivation(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	post := func(body string) call {
		return call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(body)}
	}
	for _, path := range []string{"activate", "rollback", "deactivate"} {
		b.expect(503, "activation-unavailable", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/" + path, body: []byte(`{"version":"1.0.0"}`)})
	}
	b.activates()
	for _, bad := range []string{
		``, `[]`, `{}`, `{"version":"1.0.0"}x`, `{"version":"1.0.0","version":"1.0.1"}`, `{"version":"1.0.0","force":true}`, `{"version":1}`,
		`{"version":"1.0"}`, `{"version":"1.0.0","now":1}`, `{"version":"1.0.0"`, strings.Repeat(" ", maxCommand) + `{"version":"1.0.0"}`,
	} {
		b.expect(400, "", post(bad))
	}
	b.expect(415, "unsupported-type", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(`{"version":"1.0.0"}`), header: []string{"Content-Type", "text/plain"}})
	b.expect(404, "unknown-module", post(`{"version":"9.9.9"}`))
	if len(b.fake.calls) != 0 {
		t.Fatalf("calls %q", b.fake.calls)
	}
	b.expect(202, "", post(`{"version":"1.0.0","now":true}`))
	if !strings.HasSuffix(b.fake.calls[0], " true ann") {
		t.Errorf("calls %q", b.fake.calls)
	}
	w := b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.1.0", "")})
	if !strings.Contains(w.Body.String(), `"state":"active"`) {
		t.Errorf("answer %s", w.Body)
	}
	b.fake.err = errors.New("the broker is away at 10.0.0.7")
	w = b.expect(201, "", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.2.0", "")})
	if !strings.Contains(w.Body.String(), `"activation":"the module is stored`) || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("answer %s", w.Body)
	}
	if w := b.expect(500, "internal", post(`{"version":"1.0.0"}`)); strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("answer %s", w.Body)
	}
	b.fake.err = &problem{code: "in-shadow", status: 409, title: "In its shadow run"}
	b.expect(409, "in-shadow", post(`{"version":"1.0.0"}`))
}

func TestDamagedBytesAreNeitherServedNorActivated(t *testing.T) {
	b := newUploadBed(t, clock.Real(), nil)
	b.activates()
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	files, err := filepath.Glob(filepath.Join(b.dir, "kline/indicators/*.wasm"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], sumModule("my-sum", "1.0.0", "damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.expect(500, "damaged", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"})
	b.expect(500, "damaged", call{user: "ann", method: "POST", path: "/v1/modules/my-sum/activate", body: []byte(`{"version":"1.0.0"}`)})
	if len(b.fake.calls) != 0 {
		t.Errorf("calls %q", b.fake.calls)
	}
	b.expect(200, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	b.expect(200, "", call{user: "ann", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"})
}
