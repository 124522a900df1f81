package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// options are what the command line says.
type options struct {
	caddy   string // the built binary with the plugin
	yard    string // the same with the plain handler in it
	root    string // of the repository
	only    []string
	quick   bool
	trades  int
	rounds  int
	profile string // folder for CPU profiles, empty = none
}

// part is one group of figures.
type part struct {
	name string
	run  func(*bench) error
}

func parts() []part {
	return []part{
		{"wasm", (*bench).wasm},
		{"allocations", (*bench).allocations},
		{"pipeline", (*bench).pipeline},
		{"transactions", (*bench).transactions},
		{"indicators", (*bench).indicators},
		{"uploads", (*bench).uploads},
		{"memory", (*bench).memory},
		{"fanout", (*bench).fanout},
		{"latency", (*bench).latency},
		{"start", (*bench).start},
		{"recovery", (*bench).recovery},
		{"history", (*bench).history},
	}
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		if err := runChild(os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintf(os.Stderr, "benchmark %s: %v\n", os.Args[2], err)
			os.Exit(1)
		}
		return
	}
	o, err := readOptions()
	if err == nil {
		err = runAll(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func readOptions() (options, error) {
	var o options
	var only string
	flag.StringVar(&o.caddy, "caddy", "bin/caddy", "the built binary with the plugin")
	flag.StringVar(&o.yard, "yardstick", "", "a binary with the plugin and the plain stream handler (cmd/caddy)")
	flag.StringVar(&o.root, "root", ".", "root of the repository")
	flag.StringVar(&only, "only", "", "comma list of parts: "+strings.Join(partNames(), ", "))
	flag.BoolVar(&o.quick, "quick", false, "fewer rounds over fewer records: for a look, not for the documents")
	flag.IntVar(&o.trades, "trades", 0, "trades of the main topic (default 3,000,000, quick 1,000,000)")
	flag.IntVar(&o.rounds, "rounds", 0, "interleaved rounds (default 3, quick 1)")
	flag.StringVar(&o.profile, "profile", "", "keep the CPU profiles of the contenders in this folder")
	flag.Parse()
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	for _, name := range o.only {
		if !slices.Contains(partNames(), name) {
			return o, fmt.Errorf("unknown part %q (allowed: %s)", name, strings.Join(partNames(), ", "))
		}
	}
	o.fill()
	return o, o.findFiles()
}

func (o *options) fill() {
	trades, rounds := 3_000_000, 3
	if o.quick {
		trades, rounds = 1_000_000, 1
	}
	if o.trades == 0 {
		o.trades = trades
	}
	if o.rounds == 0 {
		o.rounds = rounds
	}
}

// findFiles makes paths absolute: children run in folders of their own.
func (o *options) findFiles() error {
	for _, path := range []*string{&o.caddy, &o.yard, &o.root, &o.profile} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("finding %q: %w", *path, err)
		}
		*path = abs
	}
	if _, err := os.Stat(o.caddy); err != nil {
		return fmt.Errorf("finding the binary: %w: run `make build`", err)
	}
	return nil
}

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

func runAll(o options) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	say("machine: %d cores, %s, %s, kernel %s", runtime.NumCPU(), cpuModel(), runtime.Version(), kernel())
	say("run: %d trades, %d rounds, quick %v", o.trades, o.rounds, o.quick)
	var failed []error
	for _, p := range parts() {
		if len(o.only) > 0 && !slices.Contains(o.only, p.name) {
			continue
		}
		say("== %s", p.name)
		// A part that cannot be measured must not hide the figures of the others.
		if err := p.run(b); err != nil {
			say("part %s: %v", p.name, err)
			failed = append(failed, fmt.Errorf("measuring %s: %w", p.name, err))
		}
	}
	b.summary()
	return errors.Join(failed...)
}
