package indicators

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestModuleIsBuiltFromTheseSources builds the guest in a directory of its
// own and expects the committed bytes: the sources were not changed without a
// new build, and the build depends on no path and no git state.
func TestModuleIsBuiltFromTheseSources(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: building the guest (-short)")
	}
	gomod, err := os.ReadFile(filepath.Join("..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(gomod, []byte("toolchain "+runtime.Version()+"\n")) {
		t.Skipf("not run: the Go version that go.mod pins (this is %s)", runtime.Version())
	}
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "indicators-wasm"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	built := filepath.Join(root, "built.wasm")
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "indicators-wasm", "build.sh"), built)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, strings.TrimSpace(string(out)))
	}
	data, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, Module()) {
		t.Error("builtin.wasm was not built from these sources: run indicators-wasm/build.sh")
	}
}
