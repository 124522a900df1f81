package vet

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// Whatever a module is, an examination ends with a report: no panic, and no
// error that blames this program.
func FuzzRun(f *testing.F) {
	f.Add(badwasm.Conforming().Bytes())
	n := 0
	for a := range badwasm.Catalogue("W25", "W30", "W37", "W41", "W42", "W43", "W45") {
		if n++; n%4 == 0 && len(a.Bytes) < 4<<10 {
			f.Add(a.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		r, err := Run(t.Context(), module, Options{Now: time.Now, Timeout: 2 * time.Second, Previous: badwasm.Conforming().Bytes()})
		if err != nil {
			if errors.Is(err, ErrBusy) {
				return // it says so of the machine, and nothing of the module
			}
			t.Fatal(err)
		}
		if r.Findings == nil || len(r.Findings) > maxFindings+1 {
			t.Fatalf("%d findings", len(r.Findings))
		}
		for _, finding := range r.Findings {
			if _, ok := explain(finding.Code); !ok || finding.Message == "" || finding.Severity == "" || finding.Stage == "" {
				t.Fatalf("finding %+v", finding)
			}
		}
	})
}

// Files of authors are read or refused, and what is written is read again.
func FuzzGoldenFile(f *testing.F) {
	f.Add([]byte("# sma(20)\nopen_time,open,high,low,close,volume,value\n1700000000000,1,2,0.5,1.5,3,\n"))
	f.Add([]byte("# a\nopen,high,low,close\n\"1\",2,3,4\n# b\ntime,o,h,l,c\n2026-11-21,1,1,1,1\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		parts, err := readGolden(file)
		if err != nil {
			return
		}
		for _, p := range parts {
			if len(p.values) != len(p.bars) {
				t.Fatalf("%d bars, %d rows", len(p.bars), len(p.values))
			}
			values := &Values{Name: "x", Rows: make([][]float64, len(p.bars))}
			again, err := UpdateGolden(nil, values, p.bars)
			if err != nil {
				t.Fatal(err)
			}
			_, table, _ := bytes.Cut(again, []byte("\n"))
			bars, err := ReadBars(bytes.NewReader(table))
			if err != nil || len(bars) != len(p.bars) {
				t.Fatalf("%d bars of %d, %v\n%s", len(bars), len(p.bars), err, again)
			}
		}
	})
}
