// Command xcaddyjson builds Caddy as a file of build instructions says.
//
// The file is a JSON form of xcaddy's Builder, read strictly: a key that is not
// known is an error, and so is a timeout that is not a number of nanoseconds.
// Paths of replacements are relative to the file. The binary goes to the second
// argument.
//
// It knows nothing about caddy-kline; xcaddy itself reads only flags.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: xcaddyjson <xcaddy.json> <binary>")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "xcaddyjson:", err)
		os.Exit(1) //nolint:gocritic // the deferred stop has nothing left to do
	}
}

func run(ctx context.Context, file, binary string) error {
	text, err := os.ReadFile(file) // #nosec G304 -- named by the operator
	if err != nil {
		return fmt.Errorf("reading build instructions: %w", err)
	}
	b, err := decode(text, filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("reading build instructions %s: %w", file, err)
	}
	out, err := filepath.Abs(binary)
	if err != nil {
		return fmt.Errorf("finding the binary's folder: %w", err)
	}
	return b.Build(ctx, out)
}

// decode reads a Builder and makes replacement paths absolute: xcaddy builds in
// a folder of its own, where a relative path would lead elsewhere.
func decode(text []byte, dir string) (*xcaddy.Builder, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	b := new(xcaddy.Builder)
	if err := dec.Decode(b); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is something behind the object")
	}
	for i, r := range b.Replacements {
		path := r.New.String()
		if !strings.HasPrefix(path, ".") {
			continue // a module path, or absolute already
		}
		abs, err := filepath.Abs(filepath.Join(dir, path))
		if err != nil {
			return nil, fmt.Errorf("resolving replacement %q: %w", path, err)
		}
		b.Replacements[i] = xcaddy.NewReplace(r.Old.String(), abs)
	}
	return b, nil
}
