package wasmhost

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

func TestOnlyTrustedModulesAreAdmitted(t *testing.T) {
	known := newFixture().bytes()
	h := newHost(t, Config{Shards: 1}, known)
	// The 18 bytes would make the runtime allocate from a count of 4 G.
	bomb := []byte{0, 'a', 's', 'm', 1, 0, 0, 0, 2, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0}
	for _, bytes := range [][]byte{bomb, nil, known[:len(known)-1], append([]byte{}, append(known, 0)...)} {
		if _, err := h.Load(t.Context(), bytes); err == nil || !strings.Contains(err.Error(), "is not trusted") {
			t.Errorf("%d bytes: %v", len(bytes), err)
		}
	}
	first, err := h.Load(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Load(t.Context(), known)
	if err != nil || again != first {
		t.Errorf("loading again: %p, %p, %v", first, again, err)
	}
	if first.Name != "fixture" || first.Version != "1.2.3" || first.SHA256 != sha256.Sum256(known) || len(first.Ver()) != 8 {
		t.Errorf("module %+v", first)
	}
}

func TestSecondModuleOfOneNameIsRefused(t *testing.T) {
	a, b := newFixture().bytes(), newFixture().describe(strings.Replace(sumManifest, "1.2.3", "1.2.4", 1)).bytes()
	h := newHost(t, Config{Shards: 1}, a, b)
	if _, err := h.Load(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	used := h.Memory()
	if _, err := h.Load(t.Context(), b); err == nil || !strings.Contains(err.Error(), `"fixture" is loaded already`) {
		t.Errorf("second of one name: %v", err)
	}
	if h.Memory() != used {
		t.Errorf("the refused module keeps %d bytes", h.Memory()-used)
	}
}

func TestModuleThatBreaksTheABIIsRefused(t *testing.T) {
	i32 := []byte{tI32}
	rename := func(name string) *fixture {
		return newFixture().replace(name, func(fn *fixtureFunc) { fn.name = "" })
	}
	tests := []struct {
		name string
		fix  *fixture
		want string
	}{
		{"no kl_update", rename("kl_update"), "export kl_update is missing"},
		{"no kl_describe", rename("kl_describe"), "export kl_describe is missing"},
		{"no memory", func() *fixture { f := newFixture(); f.noMemory = true; return f }(), "the memory is not exported"},
		{"wrong parameters", newFixture().replace("kl_init", func(fn *fixtureFunc) { fn.params, fn.code = i32, i32c(0) }),
			"export kl_init has the type (i32) -> (i32), it must be (i32, i32) -> (i32)"},
		{"wrong result of an optional export", newFixture().replace("kl_error", func(fn *fixtureFunc) { fn.result, fn.code = i32, i32c(0) }),
			"export kl_error has the type () -> (i32), it must be () -> (i64)"},
		{"other major", newFixture().code("kl_abi", i32c(0x00020000)), "module speaks kl2.0, this host speaks kl1"},
		{"newer minor", newFixture().code("kl_abi", i32c(0x00010001)), "module speaks kl1.1"},
		{"foreign import", func() *fixture {
			f := newFixture()
			f.imports = []fixtureImport{{"env", "abort", nil, nil}}
			return f
		}(), `import "env"."abort": modules have no files`},
		{"system function that is no stub", func() *fixture {
			f := newFixture()
			f.imports = []fixtureImport{{wasiModule, "path_open", i32, i32}}
			return f
		}(), `"path_open": modules have no files`},
		{"manifest outside of memory", newFixture().code("kl_describe", packed(1<<30, 100)), "outside of the memory"},
		{"manifest that wraps around", newFixture().code("kl_describe", i64c(-1)), "kl_describe returned 4294967295 bytes"},
		{"manifest at 0", newFixture().code("kl_describe", packed(0, 10)), "outside of the memory"},
		{"manifest too long", newFixture().code("kl_describe", packed(1, maxManifest+1)), "kl_describe returned 65537 bytes"},
		{"bad manifest", newFixture().describe(`{"abi":1}`), "name is missing"},
		{"trap in kl_describe", newFixture().code("kl_describe", ops(0x00)), "calling kl_describe: trap"},
		{"trap in kl_abi", newFixture().code("kl_abi", ops(0x00)), "calling kl_abi: trap"},
		{"kl_alloc without memory", newFixture().code("kl_alloc", i32c(0)), "kl_alloc has no memory"},
		{"kl_alloc misaligned", newFixture().code("kl_alloc", i32c(heapAt+8)), "not a multiple of 16"},
		{"kl_alloc out of range", newFixture().code("kl_alloc", i32c(heapAt)), "end behind the memory"},
		{"kl_alloc wrapping", newFixture().code("kl_alloc", i32c(-16)), "end behind the memory"},
		{"more memory than allowed", func() *fixture { f := newFixture(); f.pages[0] = 200; return f }(), "pages of memory: 200, allowed are 128"},
		{"not valid", newFixture().code("kl_abi", i64c(1)), "an operand is i64, it must be i32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wasm := tt.fix.bytes()
			h := newHost(t, Config{Shards: 1, MaxMemory: 8 << 20}, wasm)
			if _, err := h.Load(t.Context(), wasm); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if h.Memory() != 0 || len(h.Modules()) != 0 {
				t.Errorf("a refused module keeps %d bytes, %d modules", h.Memory(), len(h.Modules()))
			}
		})
	}
}

// kl_alloc is not believed later either: here the second region is the first.
func TestOverlappingRegionIsRefused(t *testing.T) {
	f := newFixture()
	f.pages[0] = 40
	f.code("kl_alloc", i32c(heapAt))
	h, _ := loadModule(t, Config{Shards: 1}, f.bytes())
	_, err := h.Shard(0).Open(resolve(t, h, "sum"), minute)
	if err == nil || !strings.Contains(err.Error(), "overlaps an earlier region") {
		t.Errorf("error %v", err)
	}
}

func TestStateSizeAndInitAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name, export string
		result       int32
		want         string
	}{
		{"no state", "kl_state_size", 0, "the state has 0 bytes"},
		{"state too large", "kl_state_size", maxState + 1, "the state has 65537 bytes"},
		{"init fails", "kl_init", -100, `the module cannot start a series: code -100: no luck\n`},
		{"init returns nonsense", "kl_init", 3, "positive result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := loadModule(t, Config{Shards: 1}, newFixture().code(tt.export, i32c(tt.result)).bytes())
			inst, err := h.Resolve("sum")
			if err == nil {
				_, err = h.Shard(0).Open(inst, minute)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFullInstanceIsNotTheEnd(t *testing.T) {
	f := newFixture()
	f.code("kl_state_size", i32c(maxState))
	wasm := f.bytes()
	h, m := loadModule(t, Config{Shards: 1, MaxMemory: 4 << 20, MaxTotalMemory: 9 << 20}, wasm)
	s, inst := h.Shard(0), resolve(t, h, "sum")
	var slots []Slot
	var err error
	for range 200 {
		var slot Slot
		if slot, err = s.Open(inst, minute); err != nil {
			break
		}
		slots = append(slots, slot)
	}
	if n := len(s.guests[m]); n < 2 {
		t.Errorf("%d instances for %d slots", n, len(slots))
	}
	if err == nil || !strings.Contains(err.Error(), ErrMemory.Error()) {
		t.Errorf("beyond the limit of the process: %v", err)
	}
	if h.Memory() > 9<<20 {
		t.Errorf("%d bytes in use", h.Memory())
	}
	for _, slot := range slots {
		if err := s.Close(slot); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.guests[m]); n != 1 {
		t.Errorf("%d instances for no slots", n)
	}
}

func TestConfigIsChecked(t *testing.T) {
	writable := t.TempDir()
	if err := os.Chmod(writable, 0o777); err != nil {
		t.Fatal(err)
	}
	// Where Caddy's data folder cannot be made, only the word of the system was told.
	below := filepath.Join(writable, "file", "cache")
	if err := os.WriteFile(filepath.Dir(below), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"negative shards", Config{Shards: -1}, "shards is -1"},
		{"more shards than processors", Config{Shards: runtime.GOMAXPROCS(0) + 1}, "GOMAXPROCS"},
		{"tiny memory", Config{MaxMemory: 1 << 20}, "memory of one instance"},
		{"huge memory", Config{MaxMemory: 1 << 40}, "memory of one instance"},
		{"sum below one", Config{MaxTotalMemory: 1 << 20}, "memory in sum"},
		{"cache below a file", Config{CacheDir: below}, "XDG_DATA_HOME"},
		{"cache that others can write to", Config{CacheDir: writable}, "chmod 700"},
	} {
		if _, err := New(context.Background(), tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestCompilationCacheIsPrivateAndUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	wasm := newFixture().bytes()
	for range 2 {
		h := newHost(t, Config{Shards: 1, CacheDir: dir}, wasm)
		if _, err := h.Load(t.Context(), wasm); err != nil {
			t.Fatal(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fi, err := os.Stat(dir)
	if err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, guard.Version, "*", "*"))
	if err != nil || len(files) == 0 {
		t.Errorf("the cache is empty (%v)", err)
	}
}
