//go:build failpoint

package failpoint

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestChild is what TestEveryAction runs in a process of its own.
func TestChild(t *testing.T) {
	if os.Getenv("KLINE_FAILPOINT_CHILD") == "" {
		t.Skip("the child of TestEveryAction")
	}
	for range 3 {
		Hit(BeforePublish) // another point
		if err := Err(AfterPublish); err != nil {
			t.Fatalf("got %v", err)
		}
	}
}

func TestEveryAction(t *testing.T) {
	for value, want := range map[string]string{
		"after_publish=kill@2":  "failpoint after_publish: kill at hit 2\n",
		"after_publish=panic":   "panic: failpoint after_publish",
		"after_publish=error@3": "failing at the point after_publish",
		"after_publish=sleep@3": "failpoint after_publish: sleep at hit 3\n",
		"after_publish=kill@4":  "PASS",
		"after_commit=kill":     "PASS",
		"":                      "PASS",
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), "KLINE_FAILPOINT_CHILD=1", "KLINE_FAILPOINT="+value)
		out, err := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%q: no %q in the output:\n%s", value, want, out)
		}
		status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if killed := status.Signaled() && status.Signal() == syscall.SIGKILL; killed != (want == "failpoint after_publish: kill at hit 2\n") {
			t.Errorf("%q: killed %v (%v)", value, killed, err)
		}
	}
}
