package core

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestCoreImportsNothingThatDecides keeps rule 2 of the pipeline: clock, locks,
// files, network and clients cannot get into the step.
func TestCoreImportsNothingThatDecides(t *testing.T) {
	list := func(args ...string) []string {
		out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(out))
	}
	direct := list("-f", `{{join .Imports "\n"}}`, ".")
	allowed := []string{
		"bytes", "cmp", "encoding/binary", "errors", "fmt", "math", "math/big", "math/bits", "slices", "strconv", "strings", "time",
		"github.com/cespare/xxhash/v2",
	}
	for _, p := range direct {
		if !slices.Contains(allowed, p) {
			t.Errorf("core imports %s", p)
		}
	}
	for _, p := range list("-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, ".") {
		if p != "github.com/cespare/xxhash/v2" && p != "github.com/caddy-kline/caddy-kline/pipeline/core" {
			t.Errorf("core depends on %s", p)
		}
	}
	for _, p := range list("-deps", ".") {
		if p == "net" || strings.HasPrefix(p, "net/") || p == "os/exec" || p == "crypto/rand" {
			t.Errorf("core depends on %s", p)
		}
	}
	for _, word := range []string{"time.Now", "time.Since", "time.Until", "range x.byName", "range e.index", "range e.sourceByName"} {
		out, err := exec.Command("grep", "-l", "--include=*.go", "--exclude=*_test.go", "-r", word, ".").Output()
		if err == nil {
			t.Errorf("%s is used in %s", word, out)
		}
	}
}
