//go:build unix

package guard_test

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// BenchmarkCompileAtLimits is what the most expensive modules that pass cost
// the compiler: CPU seconds, and MB allocated in sum. The design allows 2 s.
//
//	go test -run '^$' -bench CompileAtLimits -benchtime 1x ./wasmhost/guard
func BenchmarkCompileAtLimits(b *testing.B) {
	for _, shape := range badwasm.AtLimits() {
		b.Run(shape.Name, func(b *testing.B) {
			out := pass(b, shape.Bytes, kl1())
			for b.Loop() {
				cpu, bytes := compileCost(b, out)
				b.ReportMetric(cpu.Seconds(), "cpu-s")
				b.ReportMetric(float64(bytes)/1e6, "MB")
			}
		})
	}
}

// compileCost compiles a module with two workers, as the host does.
func compileCost(t testing.TB, bin []byte) (cpu time.Duration, allocated uint64) {
	t.Helper()
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features))
	defer rt.Close(ctx)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	from := cpuTime(t)
	if _, err := rt.CompileModule(experimental.WithCompilationWorkers(ctx, 2), bin); err != nil {
		t.Fatal(err)
	}
	cpu = cpuTime(t) - from
	runtime.ReadMemStats(&after)
	return cpu, after.TotalAlloc - before.TotalAlloc
}

func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
