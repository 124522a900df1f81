// Command faultmatrix writes docs/fault-matrix.md: every fault of the design with what has to happen and the tests that show it.
//
// A [row] says the fault in words; which tests cover it is read from their names, so that the page cannot claim what is not there. A test of
// this command fails when the page is not the one that it would write.
//
// It runs no test: that a test passes is shown by the runs of the tests.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const place = "docs/fault-matrix.md"

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	text, err := generate(*root)
	if err == nil {
		err = os.WriteFile(filepath.Join(*root, place), []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faultmatrix:", err)
		os.Exit(1)
	}
}

func generate(root string) (string, error) {
	tests, err := scan(root)
	if err != nil {
		return "", err
	}
	makes, err := targets(root)
	if err != nil {
		return "", err
	}
	byRow, err := cover(tests, makes)
	if err != nil {
		return "", err
	}
	return page(byRow), nil
}
