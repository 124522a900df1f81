package failpoint

import (
	"os/exec"
	"strings"
	"testing"
)

// What the product calls must cost nothing: the compiler has to put an empty body in place of the call.
func TestWithoutTheTagCallsVanish(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	for _, name := range []string{"can inline Hit", "can inline Err"} {
		if !strings.Contains(string(out), name) {
			t.Errorf("the compiler does not say %q:\n%s", name, out)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { Hit(AfterPoll) }); allocs != 0 {
		t.Errorf("a call allocates %v times", allocs)
	}
}

func TestPointsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[Point]bool{}
	for _, p := range All() {
		if seen[p] || p == "" || strings.ContainsAny(string(p), "=@ ") {
			t.Errorf("%q is no name of a point of its own", p)
		}
		seen[p] = true
	}
}

func BenchmarkHit(b *testing.B) {
	for b.Loop() {
		Hit(AfterApply)
	}
}
