package wasmhost

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
)

// Everything that wazero calls experimental is used in this file, so that a
// change upstream is one file's work.

// withCompilationWorkers lets a deadline end a compilation: with one worker
// wazero does not look at its context.
func withCompilationWorkers(ctx context.Context) context.Context {
	return experimental.WithCompilationWorkers(ctx, 2)
}

// withMemory makes the next instantiation live in mem.
func withMemory(ctx context.Context, mem *linearMemory) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory { return mem }))
}

var _ experimental.LinearMemory = (*linearMemory)(nil)
