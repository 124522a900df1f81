package feed

import (
	"fmt"
	"math"
	"strconv"
)

// Speed is how much faster than its event times a file is played. Zero means 1;
// infinity means as fast as the topic takes it.
type Speed float64

// fastest bounds the factor: a year in half a minute.
const fastest = 1e6

// ParseSpeed reads a factor above 0, or `max`.
func ParseSpeed(text string) (Speed, error) {
	if text == "max" {
		return Speed(math.Inf(1)), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > 0) || f > fastest {
		return 0, fmt.Errorf("unrecognized speed %q (allowed: a factor above 0 and up to 1000000, such as 60 or 0.5, or max)", cut(text))
	}
	return Speed(f), nil
}

// Max reports whether the file is played without pauses.
func (s Speed) Max() bool { return math.IsInf(float64(s), 1) }

// cut bounds foreign text in an error.
func cut(s string) string {
	const limit = 64
	return s[:min(len(s), limit)]
}
