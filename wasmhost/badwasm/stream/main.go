// Command stream writes the catalogue of attacks to its standard output, one
// module after the other: a line of JSON with row, name, verdict and size, then
// that many bytes. Programs outside of this module attack with it.
//
//	go run ./wasmhost/badwasm/stream [-per-row 10]
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// header is the line in front of a module.
type header struct {
	Row  string          `json:"row"`
	Name string          `json:"name"`
	Want badwasm.Verdict `json:"want"`
	Size int             `json:"size"`
}

func main() {
	perRow := flag.Int("per-row", 0, "modules of each row, 0: all")
	flag.Parse()
	if err := write(*perRow); err != nil {
		fmt.Fprintln(os.Stderr, "stream:", err)
		os.Exit(1)
	}
}

func write(perRow int) error {
	out := bufio.NewWriter(os.Stdout)
	sent := map[string]int{}
	for a := range badwasm.Catalogue() {
		if sent[a.Row]++; perRow > 0 && sent[a.Row] > perRow {
			continue
		}
		line, err := json.Marshal(header{Row: a.Row, Name: a.Name, Want: a.Want, Size: len(a.Bytes)})
		if err != nil {
			return fmt.Errorf("writing %s: %w", a.Name, err)
		}
		if _, err := out.Write(append(append(line, '\n'), a.Bytes...)); err != nil {
			return fmt.Errorf("writing %s: %w", a.Name, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the last module: %w", err)
	}
	return nil
}
