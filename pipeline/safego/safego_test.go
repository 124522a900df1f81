package safego

import (
	"errors"
	"strings"
	"testing"
)

func TestPanicReachesTheStarterAndNobodyElse(t *testing.T) {
	var got error
	Go("worker of partition 3", func(err error) { got = err }, func() { panic("boom") }).Wait()
	var pe *PanicError
	if !errors.As(got, &pe) {
		t.Fatalf("got %v, want a *PanicError", got)
	}
	if !strings.Contains(got.Error(), "worker of partition 3") || !strings.Contains(got.Error(), "boom") {
		t.Errorf("the error names neither goroutine nor cause: %v", got)
	}
	if len(pe.Stack) == 0 {
		t.Error("no stack was kept")
	}
}

func TestWaitReturnsAfterTheFunction(t *testing.T) {
	done := false
	h := Go("sum", nil, func() { done = true })
	h.Wait()
	if !done {
		t.Error("Wait returned before the function had ended")
	}
}

func TestPanicWithoutHandlerStaysInside(t *testing.T) {
	Go("silent", nil, func() { panic(1) }).Wait()
}

func TestATaskThatIsKeptRunsAgainAfterAPanic(t *testing.T) {
	var runs, pauses int
	var told []error
	Keep("kills", func(err error) { told = append(told, err) }, func() bool { pauses++; return true }, func() {
		if runs++; runs < 3 {
			panic(runs)
		}
	}).Wait()
	if runs != 3 || pauses != 2 || len(told) != 2 || !strings.Contains(told[0].Error(), "kills") {
		t.Errorf("%d runs, %d pauses, told %v", runs, pauses, told)
	}
	Keep("kills", nil, func() bool { pauses = -1; return false }, func() { runs++; panic("boom") }).Wait()
	if runs != 4 || pauses != -1 {
		t.Errorf("%d runs after a pause that ended all", runs)
	}
}
