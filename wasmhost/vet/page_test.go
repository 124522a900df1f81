package vet

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/findings.md anew")

const page = "../../docs/findings.md"

// document is docs/findings.md: all of it comes from here, so that it cannot
// lack a code.
func document() string {
	var b strings.Builder
	b.WriteString(`# Findings

What ` + "`caddy kline indicator vet`" + `, ` + "`build`" + ` and an upload say about a module. Each finding is

    {"stage": "vet", "check": "V10", "code": "wrote_outside_state", "severity": "error", "indicator": "sma", "bar": 1, "offset": 192, "message": "..."}

` + "`stage`, `check` and `code`" + ` are stable: tools may act on them. ` + "`bar`" + ` counts the bars of the run from 1; ` + "`offset`" + ` counts bytes, in the file for
the stage guard, else from the first byte of the state or row. An error refuses the module, a warning does not. There is one finding for each
check, code and indicator, and a hundred at most. The same bytes give the same findings on every machine, but for ` + "`checks_too_slow`" + `.

## Checks

| check | what is tried |
|---|---|
`)
	for _, c := range [][2]string{
		{"V1", "start, `kl_abi`, manifest: strict, and the same on a second call"},
		{"V2", "sizes of states at the default, minimum and maximum of each parameter alone and all together, twice"},
		{"V3", "an unknown indicator; parameters that are NaN, infinite, out of range, fractions, too many, too few: an error, never a trap"},
		{"V4", "`kl_init` over two kinds of poison: every byte of the state is written"},
		{"V5", "the same bars in a second instance whose memory is laid out differently"},
		{"V6", "the state moves after every bar and its old place is poisoned"},
		{"V7", "another series runs between the bars"},
		{"V8", "three previews on a copy before each bar"},
		{"V9", "the bytes at bar 100 go on in an instance that has seen nothing"},
		{"V10", "poison around state, row, bar and jobs stays as it was; so does the rest of the host's memory"},
		{"V11", "many series in one call and history in chunks of 1, 3, 17, 64, 500 give what single calls give; wide bars, wide rows, an `out_stride` of 0"},
		{"V12", "200 bars in the interpreter give the bits of the compiler"},
		{"V13", "no growth of memory and no system call in an update"},
		{"V14", "800,000 units of fuel for a bar at every extreme; no more after 20,000 bars than after 1,000"},
		{"V15", "bars that are legal and seldom: 1e300, 5e-324, zero, negative, no volume, equal prices, gaps, the year 9999"},
		{"V16", "`kl_alloc`: aligned, disjoint, none for zero bytes, memory for as long as a host may ask"},
		{"V17", "NaN when ready, infinities, -0, readiness that is lost"},
		{"V18", "a series that began later agrees after its warm-up, within `x-tolerance` of the indicator (default 1e-9 of the largest value)"},
		{"V19", "states of the previous version: continued bit for bit, migrated, or refused"},
		{"V20", "the golden file of the author, bit for bit"},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", c[0], c[1])
	}
	b.WriteString("\nValues and, at the end of a run, the bytes of states are compared. `--soak` runs V5, V13 and V14 over a million bars.\n")
	last := Stage("")
	for _, c := range Codes() {
		if c.Stage != last {
			fmt.Fprintf(&b, "\n## Stage %s\n\n| code | check | meaning | what to do |\n|---|---|---|---|\n", c.Stage)
			last = c.Stage
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, c.Checks, strings.ReplaceAll(c.Meaning, "|", `\|`), strings.ReplaceAll(c.Remedy, "|", `\|`))
	}
	return b.String()
}

func TestPageOfFindingsIsComplete(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the codes say: go test ./wasmhost/vet -run Page -update writes it", page)
	}
	for i := range 20 {
		if !strings.Contains(want, fmt.Sprintf("| V%d |", i+1)) {
			t.Errorf("V%d is not explained", i+1)
		}
	}
}
