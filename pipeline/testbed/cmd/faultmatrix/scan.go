package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// found is a test function: its name and the folder it stands in.
type found struct{ name, folder string }

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	rowID    = regexp.MustCompile(`_([A-D]\d\d)(?:_|$)`)
	target   = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
)

// scan reads the names of all tests below root.
func scan(root string) ([]found, error) {
	var tests []found
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			tests = append(tests, found{m[1], filepath.ToSlash(folder)})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the names of the tests: %w", err)
	}
	return tests, nil
}

// targets are those of the Makefile.
func targets(root string) (map[string]bool, error) {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		return nil, fmt.Errorf("reading the targets: %w", err)
	}
	all := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = true
	}
	return all, nil
}

// cover maps rows to the tests that show them, and fails for a claim that nothing stands behind.
func cover(tests []found, makes map[string]bool) (map[string][]found, error) {
	byName, byRow, rows := map[string]found{}, map[string][]found{}, map[string]bool{}
	for _, g := range matrix {
		for _, r := range g.rows {
			rows[r.id] = true
		}
	}
	for _, t := range tests {
		byName[t.name] = t
		for _, m := range rowID.FindAllStringSubmatch(strings.ReplaceAll(t.name, "_", "__"), -1) {
			if !rows[m[1]] {
				return nil, fmt.Errorf("%s/%s names the row %s, which is none", t.folder, t.name, m[1])
			}
			byRow[m[1]] = append(byRow[m[1]], t)
		}
	}
	for _, g := range matrix {
		for _, r := range g.rows {
			for _, name := range r.also {
				t, ok := byName[name]
				if !ok {
					return nil, fmt.Errorf("row %s claims %s, which does not exist", r.id, name)
				}
				byRow[r.id] = append(byRow[r.id], t)
			}
			for _, run := range r.runs {
				if !makes[run] {
					return nil, fmt.Errorf("row %s claims `make %s`, which does not exist", r.id, run)
				}
			}
			if len(byRow[r.id])+len(r.runs) == 0 && r.open == "" {
				return nil, fmt.Errorf("row %s is covered by nothing and does not say why", r.id)
			}
		}
	}
	return byRow, nil
}
