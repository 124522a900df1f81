package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../../.."

func TestCaddyVersionEqualsGoMod(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := decode(text, root)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s*github\.com/caddyserver/caddy/v2 (v\S+)`).FindSubmatch(mod)
	if m == nil || b.CaddyVersion != string(m[1]) {
		t.Errorf("xcaddy.json builds %s, go.mod requires %q", b.CaddyVersion, m)
	}
	module := regexp.MustCompile(`(?m)^module (\S+)`).FindSubmatch(mod)
	if len(b.Plugins) != 1 || b.Plugins[0].PackagePath != string(module[1])+"/caddymodule" {
		t.Errorf("plugins %+v", b.Plugins)
	}
	if b.BuildFlags != "" {
		t.Error("build_flags replace the default tags, which drop database drivers")
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Replacements) != 1 || b.Replacements[0].New.String() != abs {
		t.Errorf("replacements %+v, want the absolute path of the repository", b.Replacements)
	}
}

func TestBuildInstructionsAreReadStrictly(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":      {`{"caddy": "v2.11.9"}`, `unknown field "caddy"`},
		"timeout as text":  {`{"timeout_build": "10m"}`, "cannot unmarshal"},
		"second object":    {`{} {}`, "behind the object"},
		"not an object":    {`[]`, "cannot unmarshal"},
		"nothing":          {``, "EOF"},
		"unknown in depth": {`{"plugins": [{"path": "x"}]}`, `unknown field "path"`},
	} {
		_, err := decode([]byte(tc.text), ".")
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestAbsoluteAndModuleReplacementsStay(t *testing.T) {
	b, err := decode([]byte(`{"replacements": [{"old": "a", "new": "/x/y"}, {"old": "b", "new": "c.example/d v1.0.0"}]}`), "/z")
	if err != nil {
		t.Fatal(err)
	}
	if b.Replacements[0].New.String() != "/x/y" || b.Replacements[1].New.String() != "c.example/d v1.0.0" {
		t.Errorf("replacements %+v", b.Replacements)
	}
}
