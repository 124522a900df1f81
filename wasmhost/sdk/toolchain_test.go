//go:build sdktools

package sdk

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// Every language builds, passes, and gives the bits of Go.
func TestToolchainsGiveTheSameBits(t *testing.T) {
	reference := built(t, "go")
	bars := market(21, 2_500)
	o := vet.Options{CacheDir: filepath.Join(t.TempDir(), "compiled")} // compiling is most of the time
	for _, l := range Languages()[1:] {
		t.Run(l.Name, func(t *testing.T) {
			module := built(t, l.Name)
			passes(t, module, o.CacheDir)
			values := 0
			for _, expr := range []string{
				"sma(20)", "sma(1)", "sma(1000)", "sma(7,src=volume)", "ema(20)", "ema(1)", "ema(1000,src=hlc3)",
				"bands(20,2)", "bands(2,0)", "bands(400,10)", "bands(33,1.7,src=low)", "cci(20)", "cci(2)", "cci(200)",
			} {
				want, err := vet.Compute(t.Context(), reference, expr, bars, o)
				if err != nil {
					t.Fatal(err)
				}
				got, err := vet.Compute(t.Context(), module, expr, bars, o)
				if err != nil {
					t.Fatal(err)
				}
				if got.Warmup != want.Warmup {
					t.Errorf("%s: warm-up %d, Go has %d", expr, got.Warmup, want.Warmup)
				}
				for i := range bars {
					for k := range want.Rows[i] {
						values++
						if math.Float64bits(got.Rows[i][k]) != math.Float64bits(want.Rows[i][k]) || got.Ready[i] != want.Ready[i] {
							t.Fatalf("%s, bar %d, output %d: %v, Go has %v", expr, i+1, k, got.Rows[i][k], want.Rows[i][k])
						}
					}
				}
			}
			t.Logf("%d values are equal bit for bit", values)
		})
	}
}

// What a README says to do by hand gives the bytes of `indicator build`: another
// module of the same version would be refused as a conflict.
func TestCommandsByHandGiveTheSameBytes(t *testing.T) {
	for _, l := range Languages()[1:] {
		t.Run(l.Name, func(t *testing.T) {
			want := built(t, l.Name)
			dir := filepath.Join(t.TempDir(), "quick-start")
			if err := l.Write(dir, "quick-start"); err != nil {
				t.Fatal(err)
			}
			readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			_, commands, found := strings.Cut(string(readme), "by hand:\n\n")
			commands, _, _ = strings.Cut(commands, "\n\n")
			commands = strings.ReplaceAll(commands, "npx ", "") // the compiler is there, and nothing is fetched
			cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", commands)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); !found || err != nil {
				t.Fatalf("%v\n%s\n%s", err, commands, out)
			}
			got, err := os.ReadFile(filepath.Join(dir, "quick-start.wasm"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, want those of Build, %d: %v", len(got), len(want), err)
			}
		})
	}
}
