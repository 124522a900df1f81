package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Text that is not where the table says would be noticed by `make mutants` as well, which takes minutes.
func TestTextOfEveryMutantStandsInItsFileOnce(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..")
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are called %s", m.name)
		}
		names[m.name] = true
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
		if err != nil {
			t.Error(err)
			continue
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: its text stands %d times in %s", m.name, n, m.file)
		}
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m.pkg))); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if _, err := regexp.Compile(m.test); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

func TestAMutantWhoseTextIsGoneIsAFailure(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mutant{name: "gone", file: "a.go", old: "package b", pkg: ".", test: "TestA"}
	if _, err := m.overlay(dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), "0 times") {
		t.Errorf("got %v", err)
	}
}

func TestReasonIsALineOfTheTest(t *testing.T) {
	out := []byte("=== RUN   TestA\n    a_test.go:3: 7 sums, want 9\n--- FAIL: TestA (0.00s)\nFAIL\n")
	if got, want := reason(out), "a_test.go:3: 7 sums, want 9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
