// Package sdk has what an author of indicators begins with: for each language
// a folder that builds, with four indicators, a manifest, a golden file and a
// README, and the commands that build it.
//
// The central type is [Language]. It writes its template into a new folder
// with the author's name in it, and builds a folder with the toolchain of the
// machine; a tool that is missing is a [MissingToolError], which says how to
// get it. The four templates give the same bits on the same bars: what differs
// is the language.
//
// The package judges no module, that is the work of package vet, and installs
// no tool.
package sdk

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed go rust c assemblyscript golden.csv bars.csv line.md
var templates embed.FS

// templateName is the name that the templates have before an author gives
// them his.
const templateName = "my-indicators"

// Language is a language with a template.
type Language struct {
	Name  string // as the command line has it
	Title string

	folder string // of the template
	sign   string // a file by which a folder of the language is known
	build  func(b *build) error
}

// Languages lists the languages in the order in which they are offered.
func Languages() []Language {
	return []Language{
		{"go", "Go", "go", "abi.go", (*build).golang},
		{"rust", "Rust", "rust", "lib.rs", (*build).rust},
		{"c", "C", "c", "kl.c", (*build).c},
		{"as", "AssemblyScript", "assemblyscript", "abi.ts", (*build).assemblyScript},
	}
}

// Find returns the language with a name.
func Find(name string) (Language, error) {
	var names []string
	for _, l := range Languages() {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return Language{}, fmt.Errorf("unknown language %.20q (allowed: %s)", name, strings.Join(names, ", "))
}

// Detect tells in which language a folder is, by its files.
func Detect(dir string) (Language, error) {
	if fi, err := os.Stat(dir); err != nil {
		return Language{}, fmt.Errorf("looking into the folder: %w", err)
	} else if !fi.IsDir() {
		return Language{}, fmt.Errorf("%q is no folder: name the one with the sources", dir)
	}
	var signs []string
	for _, l := range Languages() {
		if _, err := os.Stat(filepath.Join(dir, l.sign)); err == nil {
			return l, nil
		}
		signs = append(signs, fmt.Sprintf("%s (%s)", l.sign, l.Title))
	}
	return Language{}, fmt.Errorf("the folder %q has none of %s: it is no folder that `indicator new` made", dir, strings.Join(signs, ", "))
}

// CheckName tells whether a name can be the name of a module.
func CheckName(name string) error {
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{1,40}$`).MatchString(name) {
		return fmt.Errorf("%.50q is no name of a module: 2 to 41 of a-z, 0-9 and -, a letter first", name)
	}
	return nil
}

// Write makes the folder dir with the template, under the name of a module. A
// folder that has something in it is left alone.
func (l Language) Write(dir, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("the folder %q is not empty: choose another name, or remove it", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking into the folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	files, err := l.files(name)
	if err != nil {
		return err
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			return fmt.Errorf("writing the template: %w", err)
		}
	}
	return nil
}

// files are the files of the template with the name of a module.
func (l Language) files(name string) (map[string][]byte, error) {
	out := map[string][]byte{}
	entries, err := templates.ReadDir(l.folder)
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	paths := []string{"golden.csv", "bars.csv"}
	for _, e := range entries {
		paths = append(paths, path.Join(l.folder, e.Name()))
	}
	tail, err := templates.ReadFile("line.md")
	if err != nil {
		return nil, fmt.Errorf("reading the template: %w", err)
	}
	for _, p := range paths {
		b, err := templates.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("reading the template: %w", err)
		}
		file := path.Base(p)
		switch file {
		case "README.md":
			b = append(b, tail...)
		case "go.mod.txt": // as go.mod it could not be part of this module
			file = "go.mod"
		}
		out[file] = []byte(strings.ReplaceAll(string(b), templateName, name))
	}
	return out, nil
}
