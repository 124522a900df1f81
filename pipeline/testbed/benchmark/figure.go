package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// figure is one measured value and what it shall be.
type figure struct {
	name  string
	value float64
	op    string  // ">=" or "<="; empty = no goal, a value to look at
	goal  float64 // in the unit of value
}

// ok tells whether the goal is met.
func (f figure) ok() bool {
	switch f.op {
	case ">=":
		return f.value >= f.goal
	case "<=":
		return f.value <= f.goal
	case "<":
		return f.value < f.goal
	}
	return true
}

// String is the line that scripts read.
func (f figure) String() string {
	if f.op == "" {
		return fmt.Sprintf("figure: %s = %s (goal none -) ok", f.name, number(f.value))
	}
	word := "short"
	if f.ok() {
		word = "ok"
	}
	return fmt.Sprintf("figure: %s = %s (goal %s %s) %s", f.name, number(f.value), f.op, number(f.goal), word)
}

// number writes three digits that count, and whole numbers above a thousand.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

func (b *bench) figure(name string, value float64, op string, goal float64) {
	f := figure{name: name, value: value, op: op, goal: goal}
	b.figures = append(b.figures, f)
	fmt.Println(f)
}

// note prints a value without a goal.
func (b *bench) note(name string, value float64) { b.figure(name, value, "", 0) }

// summary says how many goals are missed, and which.
func (b *bench) summary() {
	short, goals := []string(nil), 0
	for _, f := range b.figures {
		if f.op != "" {
			goals++
		}
		if !f.ok() {
			short = append(short, f.name)
		}
	}
	say("%d goals, %d short %v", goals, len(short), short)
}

func say(format string, args ...any) { fmt.Printf("# "+format+"\n", args...) }

// median of at least one value.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// quantile q of values, 0 for none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// medianOf is the median of what pick says about each run.
func medianOf(runs []usage, pick func(usage) float64) float64 {
	var values []float64
	for _, r := range runs {
		values = append(values, pick(r))
	}
	return median(values)
}

// ratioOf is the median of the ratios of runs of the same round, which shares more of the weather than two medians do.
func ratioOf(over, under []usage, pick func(usage) float64) float64 {
	var values []float64
	for i := range over {
		values = append(values, pick(over[i])/pick(under[i]))
	}
	return median(values)
}
