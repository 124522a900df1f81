//go:build unix

package chaos

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Figure is one measured value and what it shall be.
type Figure struct {
	Name  string
	Value float64
	Op    string // ">=" or "<="; empty = no goal, a value to look at
	Goal  float64
	Must  bool // a missed goal fails the run; others depend on the machine and on chance
}

// OK tells whether the goal is met.
func (f Figure) OK() bool {
	switch f.Op {
	case ">=":
		return f.Value >= f.Goal
	case "<=":
		return f.Value <= f.Goal
	}
	return true
}

// String is the line that scripts read.
func (f Figure) String() string {
	if f.Op == "" {
		return fmt.Sprintf("figure: %s = %s (goal none -) ok", f.Name, number(f.Value))
	}
	word := "short"
	if f.OK() {
		word = "ok"
	}
	return fmt.Sprintf("figure: %s = %s (goal %s %s) %s", f.Name, number(f.Value), f.Op, number(f.Goal), word)
}

func number(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// share is a goal for half an hour, cut down to the duration of the run.
func share(goal int, d time.Duration) float64 {
	return math.Floor(float64(goal) * min(1, d.Minutes()/30))
}
