package wasmhost

import (
	"fmt"
	"slices"
	"strings"
)

// maxListed bounds the names in an error text.
const maxListed = 40

// suggest ends an error about an unknown name: with the one that was probably
// meant, or with what there is.
func suggest(name string, known []string, label string) string {
	best, least := "", 3
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d < least && d < len(k) {
			best, least = k, d
		}
	}
	list := slices.Sorted(slices.Values(known))
	if len(list) > maxListed {
		list = append(list[:maxListed], "...")
	}
	all := fmt.Sprintf("%s: %s", label, strings.Join(list, ", "))
	if len(list) == 0 {
		all = label + ": none"
	}
	if best != "" {
		return fmt.Sprintf(" (did you mean %q? %s)", best, all)
	}
	return " (" + all + ")"
}

// distance counts the insertions, deletions and replacements between two
// names. Names are bounded, so the square of their length is small.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
