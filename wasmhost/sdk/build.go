package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// MissingToolError is a tool of a language that the machine does not have.
type MissingToolError struct {
	Tool string
	Get  string // how to get it
}

// Error says which tool, and how to get it.
func (e *MissingToolError) Error() string {
	return fmt.Sprintf("%s is missing: %s", e.Tool, e.Get)
}

// build is one build of a folder.
type build struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call of Build
	dir string
	out string // absolute
	tmp string
	log func(line string)
}

// Build builds the folder dir into the file out. log receives every command
// before it runs; nil is allowed. The error has what the compiler said.
func (l Language) Build(ctx context.Context, dir, out string, log func(line string)) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return fmt.Errorf("finding the output: %w", err)
	}
	if fi, err := os.Stat(out); err == nil && fi.IsDir() { // compilers write what they like into a folder
		return fmt.Errorf("the output %q is a folder: name the file to write", out)
	}
	tmp, err := os.MkdirTemp("", "indicator")
	if err != nil {
		return fmt.Errorf("making a folder for the compiler: %w", err)
	}
	if log == nil {
		log = func(string) {}
	}
	b := &build{ctx: ctx, dir: dir, out: out, tmp: tmp, log: log}
	return errors.Join(l.build(b), os.RemoveAll(tmp))
}

// maxSaid is what an error shows of a compiler's words.
const maxSaid = 4 << 10

// run runs a command in the folder, with more environment.
func (b *build) run(env []string, argv ...string) error {
	b.log(shell(slices.Concat(env, argv)))
	cmd := exec.CommandContext(b.ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		text := bytes.TrimSpace(said.Bytes())
		if len(text) > maxSaid {
			text = text[:maxSaid]
		}
		return fmt.Errorf("running %s: %w\n%s", filepath.Base(argv[0]), err, text)
	}
	return nil
}

// shell is a command as a person types it.
func shell(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if strings.ContainsAny(w, " '\"$*?&|<>()\\") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out[i] = w
	}
	return strings.Join(out, " ")
}

// tool finds the first of some names.
func tool(get string, names ...string) (string, error) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", &MissingToolError{names[0], get}
}

// versioned is a name, and the names under which distributions have it.
func versioned(name string) []string {
	names := []string{name}
	for v := 25; v >= 14; v-- {
		names = append(names, fmt.Sprintf("%s-%d", name, v))
	}
	return names
}

const rustTarget = "wasm32-unknown-unknown"

func (b *build) rust() error {
	rustc, err := tool("install Rust from rustup.rs, then run `rustup target add "+rustTarget+"`", "rustc")
	if err != nil {
		return err
	}
	lib := printed(b.ctx, rustc, "--print", "target-libdir", "--target", rustTarget)
	if found, _ := filepath.Glob(filepath.Join(lib, "libstd-*.rlib")); lib == "" || len(found) == 0 {
		return &MissingToolError{"the Rust target " + rustTarget, "run `rustup target add " + rustTarget + "`, or on Debian `apt-get install libstd-rust-dev-wasm32`"}
	}
	argv := []string{
		rustc, "--edition", "2021", "--target", rustTarget, "--crate-type", "cdylib", "-C", "opt-level=3", "-C", "panic=abort",
		"-C", "lto", "-C", "strip=symbols", "-C", "link-arg=-zstack-size=16384", "-o", b.out, "lib.rs",
	}
	// The compilers of distributions come without a linker of their own.
	own, _ := filepath.Glob(filepath.Join(printed(b.ctx, rustc, "--print", "sysroot"), "lib", "rustlib", "*", "bin", "rust-lld*"))
	if len(own) == 0 {
		linker, err := tool("run `apt-get install lld`, or install LLVM", versioned("wasm-ld")...)
		if err != nil {
			return err
		}
		argv = append(argv, "-C", "linker="+linker)
	}
	return b.run(nil, argv...)
}

// printed is the first line that a command prints, or nothing.
func printed(ctx context.Context, argv ...string) string {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// c compiles and links in two steps: in one, clang runs an optimiser of
// another project if it finds one.
func (b *build) c() error {
	const get = "run `apt-get install clang lld`, or install LLVM 14 or newer"
	clang, err := tool(get, versioned("clang")...)
	if err != nil {
		return err
	}
	linker, err := tool(get, versioned("wasm-ld")...)
	if err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(b.dir, "*.c"))
	if err != nil {
		return fmt.Errorf("finding sources: %w", err)
	}
	argv := []string{linker, "--no-entry", "--strip-all", "-z", "stack-size=16384", "-o", b.out}
	for _, s := range sources {
		name := filepath.Base(s)
		object := filepath.Join(b.tmp, name+".o")
		if err := b.run(nil, clang, "--target=wasm32", "-O2", "-nostdlib", "-ffreestanding", "-ffp-contract=off", "-c", "-o", object, name); err != nil {
			return err
		}
		argv = append(argv, object)
	}
	return b.run(nil, argv...)
}

func (b *build) assemblyScript() error {
	if _, err := tool("install Node.js 20 or newer from nodejs.org or your distribution", "node"); err != nil {
		return err
	}
	asc, err := filepath.Abs(filepath.Join(b.dir, "node_modules", ".bin", "asc"))
	if err != nil {
		return fmt.Errorf("finding asc: %w", err)
	}
	if _, err := os.Stat(asc); err != nil {
		if asc, err = tool("run `npm install` in the folder of the indicator", "asc"); err != nil {
			return err
		}
	}
	// asc exits with 0 when it cannot write: an older module would pass for this one.
	if err := os.Remove(b.out); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making room for the module: %w", err)
	}
	if err := b.run(nil, asc, "abi.ts", "-o", b.out, "-O3", "--runtime", "stub", "--noAssert", "--use", "abort=", "--exportStart", "_initialize"); err != nil {
		return err
	}
	if _, err := os.Stat(b.out); err != nil {
		return fmt.Errorf("looking for the module, which asc did not write: %w", err)
	}
	return nil
}
