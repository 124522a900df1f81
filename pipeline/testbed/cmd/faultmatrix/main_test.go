package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var root = filepath.Join("..", "..", "..", "..")

func TestPageIsWhatTheTestsSay(t *testing.T) {
	want, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, place))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run `make fault-matrix` and commit the result", place)
	}
}

func TestClaimsWithoutATestAreRefused(t *testing.T) {
	makes := map[string]bool{"chaos": true, "soak": true, "sim": true}
	if _, err := cover(nil, makes); err == nil || !strings.Contains(err.Error(), "which does not exist") {
		t.Errorf("no test at all: %v", err)
	}
	if _, err := cover([]found{{"TestFault_D77_Nothing", "x"}}, makes); err == nil || !strings.Contains(err.Error(), "D77") {
		t.Errorf("a row that is none: %v", err)
	}
	tests, err := scan(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cover(tests, map[string]bool{}); err == nil || !strings.Contains(err.Error(), "make chaos") {
		t.Errorf("a run that does not exist: %v", err)
	}
}

func TestANameMayCarrySeveralRows(t *testing.T) {
	tests, err := scan(root)
	if err != nil {
		t.Fatal(err)
	}
	makes, err := targets(root)
	if err != nil {
		t.Fatal(err)
	}
	byRow, err := cover(append(tests, found{"TestBoth_D01_D03", "x"}), makes)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"D01", "D03"} {
		if got := status(row{id: id}, byRow[id]); !strings.Contains(got, "`TestBoth_D01_D03` (x)") {
			t.Errorf("%s: %s", id, got)
		}
	}
}

func TestRowsAreInOrderAndEachOnce(t *testing.T) {
	last := ""
	for _, g := range matrix {
		for _, r := range g.rows {
			if r.id <= last {
				t.Errorf("%s follows %s", r.id, last)
			}
			last = r.id
			if r.fault == "" || r.expect == "" {
				t.Errorf("%s says nothing", r.id)
			}
		}
	}
	if last != "F08" {
		t.Errorf("the matrix ends with %s", last)
	}
}
