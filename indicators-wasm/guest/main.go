//go:build wasip1

// Command guest is the module builtin.wasm: the exports of the ABI in front of
// package indicators. It is compiled by indicators-wasm/compiler, whose subset
// of Go it keeps to.
//
// Its central thing is the linear memory: the host asks for regions, puts
// configurations, bars and slots there and passes addresses.
//
// It keeps no state of any series. Regions live as long as the instance; the
// only other memory is the text of the last error.
package main

import (
	"unsafe"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
)

const (
	abi       = 1 << 16 // major 1, minor 0
	maxRegion = 16 << 20
	maxParams = 32 // the manifest allows no more; a larger count is not followed
)

// failure is the last error and its text.
type failure struct {
	text [128]byte
	code int32 // last result below 0
	bad  int32 // parameter it is about, see indicators.SizeAt
}

var last failure

func main() {}

//go:wasmexport kl_abi
func klABI() int32 { return abi }

//go:wasmexport kl_describe
func klDescribe() int64 {
	text := indicators.ManifestText()
	return pack(unsafe.Pointer(unsafe.StringData(text)), len(text))
}

// pack is an address and a length as the ABI returns them.
func pack(p unsafe.Pointer, n int) int64 {
	return int64(uint64(uintptr(p))<<32 | uint64(uint32(n)))
}

// klAlloc returns a region that is never moved, freed or reused.
//
//go:wasmexport kl_alloc
func klAlloc(size uint32) unsafe.Pointer {
	if size > maxRegion {
		return nil
	}
	region := make([]byte, max(size, 1)) // the allocator aligns to 16 bytes
	return unsafe.Pointer(&region[0])
}

//go:wasmexport kl_state_size
func klStateSize(at unsafe.Pointer) int32 {
	cfg, params, ok := read(at)
	if !ok {
		return fail(indicators.ErrParams, -1)
	}
	size, bad := indicators.SizeAt(cfg, params)
	return fail(size, bad)
}

//go:wasmexport kl_init
func klInit(at, state unsafe.Pointer) int32 {
	cfg, params, ok := read(at)
	if !ok {
		return fail(indicators.ErrParams, -1)
	}
	if size, bad := indicators.SizeAt(cfg, params); size < 0 {
		return fail(size, bad)
	}
	return fail(indicators.InitAt(cfg, params, state), 0)
}

//go:wasmexport kl_warmup
func klWarmup(at unsafe.Pointer) int32 {
	cfg, params, ok := read(at)
	if !ok {
		return fail(indicators.ErrParams, -1)
	}
	bars, bad := indicators.WarmupAt(cfg, params)
	return fail(bars, bad)
}

//go:wasmexport kl_update
func klUpdate(ind uint32, state, bar, out unsafe.Pointer) int32 {
	rc := indicators.UpdateAt(ind, state, (*indicators.Bar)(bar), out)
	if rc < 0 {
		return fail(rc, 0)
	}
	return rc
}

//go:wasmexport kl_update_batch
func klUpdateBatch(jobs unsafe.Pointer, n uint32) int32 {
	return indicators.RunJobs(nil, jobs, n)
}

//go:wasmexport kl_error
func klError() int64 {
	n := indicators.Explain(last.code, last.bad, last.text[:])
	return pack(unsafe.Pointer(&last.text[0]), n)
}

// read views a configuration and its parameters. A count or an address that
// cannot be right is not followed.
func read(at unsafe.Pointer) (cfg *indicators.Cfg, params []float64, ok bool) {
	if at == nil {
		return nil, nil, false
	}
	cfg = (*indicators.Cfg)(at)
	if cfg.NParams == 0 {
		return cfg, nil, true
	}
	if cfg.NParams > maxParams || cfg.Params == 0 {
		return nil, nil, false
	}
	p := unsafe.Add(unsafe.Pointer(nil), cfg.Params)
	return cfg, unsafe.Slice((*float64)(p), cfg.NParams), true
}

// fail remembers a result below 0 for kl_error and passes every result on.
func fail(code, bad int32) int32 {
	if code < 0 {
		last.code = code
		last.bad = bad
	}
	return code
}
