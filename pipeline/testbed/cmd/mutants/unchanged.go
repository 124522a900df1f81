package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// unchanged runs the tests of a repository without any mutant. The tests of a
// package are compiled once for all of its mutants: linking one takes longer than
// most tests.
type unchanged struct {
	root, tags string
	dir        string // of the binaries

	mu    sync.Mutex                        // protects built
	built map[string]func() (string, error) // by package: its binary
}

func newUnchanged(root, tags string) (*unchanged, error) {
	dir, err := os.MkdirTemp("", "kline-mutants-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return &unchanged{root: root, tags: tags, dir: dir, built: map[string]func() (string, error){}}, nil
}

func (u *unchanged) remove() { _ = os.RemoveAll(u.dir) }

// binary compiles the tests of a package, if nobody has.
func (u *unchanged) binary(pkg string) (string, error) {
	u.mu.Lock()
	build := u.built[pkg]
	if build == nil {
		build = sync.OnceValues(func() (string, error) { return u.build(pkg) })
		u.built[pkg] = build
	}
	u.mu.Unlock()
	return build()
}

func (u *unchanged) build(pkg string) (string, error) {
	path := filepath.Join(u.dir, strings.NewReplacer("/", "-", ".", "").Replace(pkg)+".test")
	cmd := exec.Command("go", "test", "-vet=off", "-tags", u.tags, "-c", "-o", path, pkg) // #nosec G204 -- of the table
	cmd.Dir = u.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling the tests of %s: %w: %s", pkg, err, out)
	}
	return path, nil
}

// passes tells whether the test of m is one, and passes as long as nothing is
// taken away.
func (u *unchanged) passes(m mutant) error {
	binary, err := u.binary(m.pkg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	args := append([]string{"-test.count=1", "-test.v", "-test.timeout=" + limit.String(), "-test.run=" + m.pattern()}, strings.Fields(m.args)...)
	cmd := exec.CommandContext(ctx, binary, args...) // #nosec G204 -- built above
	cmd.Dir = filepath.Join(u.root, filepath.FromSlash(m.pkg))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s fails without any mutant: %s", m.test, out)
	}
	if bytes.Contains(out, []byte("no tests to run")) || bytes.Contains(out, []byte("not run:")) || !bytes.Contains(out, []byte("--- PASS")) {
		return fmt.Errorf("%s did not run: %s", m.test, out)
	}
	return nil
}
