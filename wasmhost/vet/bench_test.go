package vet

import (
	"testing"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// BenchmarkRun is what an upload of a small module waits for: all checks.
func BenchmarkRun(b *testing.B) {
	module := badwasm.Conforming().Bytes()
	for b.Loop() {
		r, err := Run(b.Context(), module, Options{})
		if err != nil || !r.OK() {
			b.Fatal(err, r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/module")
}
