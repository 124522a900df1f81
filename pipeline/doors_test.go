package pipeline

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/caddy-kline/caddy-kline/"

// doors are who may import whom, of ours. A room that is not listed fails.
var doors = map[string][]string{
	"indicators-wasm":            {},
	"indicators-wasm/build":      {"wasmhost/compiler"},
	"wasmhost":                   {"wasmhost/guard"},
	"wasmhost/registry":          {"wasmhost/guard"},
	"wasmhost/vet":               {"wasmhost", "wasmhost/guard"},
	"wasmhost/guard":             {},
	"wasmhost/badwasm":           {},
	"wasmhost/badwasm/stream":    {"wasmhost/badwasm"},
	"wasmhost/sdk":               {"wasmhost/compiler"},
	"wasmhost/compiler":          {},
	"wasmhost/compiler/sample":   {},
	"pipeline/safego":            {},
	"pipeline/clock":             {},
	"pipeline/failpoint":         {},
	"pipeline/core":              {},
	"pipeline/durable":           {},
	"pipeline/wire":              {"pipeline/core"},
	"pipeline/adapter":           {"pipeline/core", "pipeline/wire"},
	"pipeline/kafka":             {"pipeline/safego", "pipeline/clock", "pipeline/failpoint"},
	"pipeline/embedded":          {"pipeline/safego", "pipeline/clock", "pipeline/durable"},
	"pipeline/view":              {},
	"pipeline/view/redis":        {"pipeline/view", "pipeline/core", "pipeline/wire", "pipeline/failpoint"},
	"pipeline/serve":             {"pipeline/core", "pipeline/wire", "pipeline/clock", "pipeline/safego"},
	"pipeline/feed":              {"pipeline/core", "pipeline/wire", "pipeline/adapter", "pipeline/clock", "pipeline/safego", "pipeline/durable"},
	"pipeline/feed/shared":       {"pipeline/feed"},
	"pipeline/schedule":          {"pipeline/core", "pipeline/wire"},
	"pipeline/replay":            {"pipeline", "pipeline/core", "pipeline/wire", "pipeline/kafka", "pipeline/feed", "pipeline/clock"},
	"pipeline/verify":            {"pipeline/kafka", "pipeline/clock", "indicators-wasm"},
	"pipeline/transfer":          {"pipeline/core", "pipeline/wire", "pipeline/adapter", "pipeline/kafka", "pipeline/history", "pipeline/clock", "pipeline/safego", "pipeline/durable"},
	"pipeline/sim":               {}, // tests alone
	"pipeline":                   {"pipeline/*"},
	"caddymodule":                {"pipeline", "pipeline/*", "wasmhost", "wasmhost/registry", "wasmhost/sdk", "wasmhost/vet", "indicators-wasm"},
	"caddymodule/dashboard":      {},
	"caddymodule/cmd/caddy":      {"caddymodule"},
	"caddymodule/cmd/xcaddyjson": {},

	"pipeline/history":            {"pipeline/core", "pipeline/wire", "pipeline/kafka", "pipeline/clock", "pipeline/safego"},
	"pipeline/history/postgres":   {"pipeline/history", "pipeline/clock", "pipeline/core", "pipeline/serve", "pipeline/wire"},
	"pipeline/history/clickhouse": {"pipeline/history", "pipeline/core", "pipeline/serve", "pipeline/wire"},
	"pipeline/history/line":       {"pipeline/history"},
}

// locked are the libraries that live in one room and nowhere else.
var locked = map[string][]string{
	"github.com/caddyserver/caddy/v2":     {"caddymodule", "caddymodule/cmd/caddy"},
	"github.com/twmb/franz-go/pkg/kgo":    {"pipeline/kafka"},
	"github.com/twmb/franz-go/pkg/kadm":   {"pipeline/kafka"},
	"github.com/twmb/franz-go/pkg/kfake":  {"pipeline/embedded"},
	"github.com/redis/go-redis/v9":        {"pipeline/view/redis", "pipeline/feed/shared"},
	"github.com/coder/websocket":          {"pipeline/feed"},
	"github.com/jackc/pgx/v5":             {"pipeline/history/postgres"},
	"github.com/parquet-go/parquet-go":    {"pipeline/transfer"},
	"github.com/tetratelabs/wazero":       {"wasmhost"},
	"github.com/prometheus/client_golang": {"caddymodule"},
}

// pure must not be imported by the core: it has no clock, lock or I/O.
var pure = []string{"sync", "os", "net", "context", "time/tzdata", "math/rand", "math/rand/v2"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// packages lists all packages of the module with their direct imports.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-tags", "nobadger,nomysql,nopgx", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestNobodyGoesThroughADoorThatIsNotThere(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := doors[room]
		if !known {
			t.Errorf("%s is a room without doors: add it to the table, or move its files", room)
		}
		for _, imp := range p.Imports {
			if other, ours := strings.CutPrefix(imp, module); ours && !mayImport(allowed, other) {
				t.Errorf("%s imports %s, which is no door of it (allowed: %v)", room, other, allowed)
			}
			for library, rooms := range locked {
				if (imp == library || strings.HasPrefix(imp, library+"/")) && !slices.Contains(rooms, room) {
					t.Errorf("%s imports %s, which lives in %v alone", room, imp, rooms)
				}
			}
			if room == "pipeline/core" && slices.Contains(pure, imp) {
				t.Errorf("the core imports %s: it is a pure step", imp)
			}
		}
	}
}

func mayImport(allowed []string, other string) bool {
	for _, a := range allowed {
		if room, below := strings.CutSuffix(a, "/*"); a == other || below && strings.HasPrefix(other, room+"/") {
			return true
		}
	}
	return false
}
