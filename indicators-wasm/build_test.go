package indicators

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestModuleIsBuiltFromTheseSources builds the module from a copy of the
// sources in another folder and expects the committed bytes: the sources were
// not changed without a new build, and the build depends on no path.
func TestModuleIsBuiltFromTheseSources(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: building the guest (-short)")
	}
	root := t.TempDir()
	folder, built := filepath.Join(root, "indicators-wasm"), filepath.Join(root, "built.wasm")
	if err := os.CopyFS(folder, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./build", folder, built)
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
