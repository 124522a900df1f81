// Command mutants takes guarantees away one at a time and fails unless the test that is named for each notices.
//
// A [mutant] is a replacement of text in one file. The changed file is written to a temporary folder and compiled in place of the true one
// (`go test -overlay`), so no switch stands in the product that could be set by mistake, and no mutant can go stale unseen: text that is not
// found is a failure.
//
// It does not look for mutants by itself: those in the table are what reviews and other projects have got wrong.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// limit is within how long a test has to notice, on a machine that is busy with other things. Building comes on top.
const limit = 10 * time.Minute

func main() {
	root := flag.String("root", ".", "root of the repository")
	only := flag.String("run", "", "names of the mutants to try, a regular expression")
	tags := flag.String("tags", "", "of go test")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if err := run(*root, *tags, wanted); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(root, tags string, wanted *regexp.Regexp) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	sound, err := newUnchanged(root, tags)
	if err != nil {
		return err
	}
	defer sound.remove()
	var chosen []mutant
	for _, m := range mutants {
		if wanted.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	// Half of the time is the compiler's, half the test's waits: one on each core.
	results := make([]error, len(chosen))
	free := make(chan struct{}, runtime.NumCPU())
	var all sync.WaitGroup
	for i, m := range chosen {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			results[i] = m.report(sound)
		})
	}
	all.Wait()
	survivors := slices.DeleteFunc(results, func(err error) bool { return err == nil })
	tried := len(chosen)
	word := "ok"
	if len(survivors) > 0 || tried == 0 {
		word = "short"
	}
	fmt.Printf("figure: mutants caught of %d = %d (goal >= %d) %s\n", tried, tried-len(survivors), tried, word)
	if tried == 0 {
		return errors.New("no mutant has such a name")
	}
	return errors.Join(survivors...)
}

// report tries m and prints what came of it.
func (m mutant) report(sound *unchanged) error {
	began := time.Now()
	why, err := m.try(sound)
	if err != nil {
		fmt.Printf("%-20s ALIVE   %6.1fs %s\n", m.name, time.Since(began).Seconds(), firstLine(err.Error()))
		return fmt.Errorf("%s: %w", m.name, err)
	}
	fmt.Printf("%-20s caught  %6.1fs %s\n", m.name, time.Since(began).Seconds(), why)
	return nil
}

// attempts is how often a test may pass without what it is to guard before the
// mutant counts as alive.
const attempts = 5

// try returns what the test said when it noticed.
func (m mutant) try(sound *unchanged) (string, error) {
	dir, err := os.MkdirTemp("", "kline-mutant-")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(sound.root, dir)
	if err != nil {
		return "", err
	}
	if err := sound.passes(m); err != nil {
		return "", err
	}
	// A broker or a thread may be in time by chance: what is alive once is tried
	// again.
	var out []byte
	for n := 0; n < attempts && err == nil; n++ {
		out, err = m.goTest(sound.root, "-tags", sound.tags, "-overlay", overlay)
	}
	switch {
	case err == nil:
		return "", fmt.Errorf("%s passes without what it is to guard", m.test)
	case bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")):
		return "", fmt.Errorf("the mutant does not compile: %s", out)
	case !bytes.Contains(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic: ")):
		return "", fmt.Errorf("the test did not run: %w: %s", err, out)
	}
	return reason(out), nil
}

// overlay writes the mutated file and the list that go test wants.
func (m mutant) overlay(root, dir string) (string, error) {
	path := filepath.Join(root, filepath.FromSlash(m.file))
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the file: %w", err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s holds the text that is to be replaced %d times, not once: bring the table up to date", m.file, n)
	}
	changed, list := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", fmt.Errorf("writing the mutant: %w", err)
	}
	body, err := json.Marshal(map[string]map[string]string{"Replace": {path: changed}})
	if err != nil {
		return "", fmt.Errorf("writing the list: %w", err)
	}
	if err := os.WriteFile(list, body, 0o600); err != nil {
		return "", fmt.Errorf("writing the list: %w", err)
	}
	return list, nil
}

// pattern chooses the tests: of a subtest each part is a pattern of its own.
func (m mutant) pattern() string {
	if strings.Contains(m.test, "/") {
		return m.test
	}
	return "^(" + m.test + ")$"
}

func (m mutant) goTest(root string, more ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	args := append([]string{"test", "-vet=off", "-count=1", "-v", "-timeout", limit.String(), "-run", m.pattern()}, more...)
	args = append(append(args, m.pkg), strings.Fields(m.args)...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	return cmd.CombinedOutput()
}

var location = regexp.MustCompile(`^\s+\w+_test\.go:\d+: `)

// reason is the first line that a failing test has written.
func reason(out []byte) string {
	failed := bytes.Index(out, []byte("--- FAIL"))
	last := ""
	for line := range strings.SplitSeq(string(out), "\n") {
		if location.MatchString(line) {
			last = strings.TrimSpace(line)
			if strings.Contains(line, "want") || failed < 0 {
				break
			}
		}
	}
	if last == "" {
		last = firstLine(string(out))
	}
	return last[:min(len(last), 140)]
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
