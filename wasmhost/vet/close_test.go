package vet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// examined is an examination that has not been closed yet.
func examined(t *testing.T, module []byte, o Options) *vetter {
	t.Helper()
	sum := sha256.Sum256(module)
	v := &vetter{ctx: context.Background(), opt: o, report: &Report{SHA256: hex.EncodeToString(sum[:])}}
	v.configure()
	if err := v.examine(module); err != nil {
		v.close()
		t.Fatal(err)
	}
	return v
}

// held is the memory of the instances that a rig keeps for later checks.
func held(rigs ...*rig) int64 {
	var n int64
	for _, r := range rigs {
		if r != nil {
			n += int64(len(r.g.Memory()))
		}
	}
	return n
}

// gone wants that a probe has no instance any more and gives none.
func gone(t *testing.T, name string, p *wasmhost.Probe) {
	t.Helper()
	if p == nil {
		return
	}
	if n := p.Memory(); n != 0 {
		t.Errorf("%s: its instances have %d bytes after the end", name, n)
	}
	if g, err := p.Open(); err == nil {
		g.Close()
		t.Errorf("%s: its code is still there after the end", name)
	}
}

// Every check gives back what it opened, whether it passes, finds something or
// is ended by a trap; the end gives back the rest.
func TestAnExaminationGivesBackWhatItOpens(t *testing.T) {
	good := fixture(nil)
	previous := fixture(func(m *Module) { m.Func("kl_alloc").Code = Join(Op(0x01), m.Func("kl_alloc").Code) })
	for name, module := range map[string][]byte{
		"keeps the rules": good, "never ends": fixture(first("kl_update", Forever())), "traps at times": fixture(first("kl_update", volumeIs0(), If(Op(Unreachable)))),
		"differs in another instance": fixture(first("kl_update", addToSum(Get(1), Op(0xb8)))), "does not start": fixture(first("_initialize", Op(Unreachable))),
		"has no memory": fixture(first("kl_alloc", Op(Unreachable))), "refuses its parameters": fixture(instead("kl_init", I32(-1))),
	} {
		t.Run(name, func(t *testing.T) {
			v := examined(t, module, Options{Previous: previous})
			if v.probe == nil {
				t.Fatal("the module was not compiled: the test shows nothing")
			}
			if has, want := v.probe.Memory(), held(v.main); has != want {
				t.Errorf("instances have %d bytes before the end, %d are kept for checks", has, want)
			}
			if v.interp != nil && v.interp.Memory() != held(v.slow) {
				t.Errorf("instances of the interpreter have %d bytes before the end, %d are kept for checks", v.interp.Memory(), held(v.slow))
			}
			if name == "keeps the rules" && (v.main == nil || v.interp == nil || v.old == nil || v.old.probe == nil) {
				t.Error("not everything was opened: the test shows nothing")
			}
			v.close()
			gone(t, "the compiler", v.probe)
			gone(t, "the interpreter", v.interp)
			if v.old != nil {
				gone(t, "the previous version", v.old.probe)
			}
		})
	}
}

// files counts those below a folder.
func files(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The cache is for what was accepted: whoever uploads what is refused must not
// be able to fill it.
func TestOnlyThePreviousVersionIsKeptCompiled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	previous := fixture(nil)
	for _, module := range [][]byte{fixture(nil), fixture(first("kl_update", Forever()))} {
		if _, err := Run(t.Context(), module, Options{CacheDir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	if n := files(t, dir); n != 0 {
		t.Errorf("%d files of modules that nobody has accepted", n)
	}
	for range 2 {
		r, err := Run(t.Context(), fixture(first("kl_update", Op(0x01))), Options{CacheDir: dir, Previous: previous})
		if err != nil || !r.OK() {
			t.Fatalf("%v, %+v", err, r)
		}
		if n := files(t, dir); n != 1 {
			t.Errorf("%d files, the previous version makes one", n)
		}
	}
}
