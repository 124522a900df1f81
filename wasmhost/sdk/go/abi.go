//go:build wasip1

// The exports of the ABI kl1, in front of indicators.go. There is nothing to
// change here.
package main

import (
	_ "embed"
	"unsafe"
)

//go:embed manifest.json
var manifest string

// Results of kl_update, and error codes.
const (
	warming      = 0
	ready        = 1
	errIndicator = -1
	errParams    = -2
	errInput     = -4
)

// Bar is one bar as the host writes it.
type Bar struct {
	OpenTime               int64 // milliseconds since 1970
	Open, High, Low, Close float64
	Volume, QuoteVolume    float64
	Trades, Flags          uint32
	Src                    float64 // the price that the user chose with src=
	TakerBuyVolume         float64
}

// config is what the host knows of a series.
type config struct {
	ind, count     uint32
	params         uint32 // address of count numbers
	flags          uint32
	intervalMS     int64
	sessionOffset  int64
	tickSize       float64
	fromVersion, _ uint32
	_, _           uint64
}

// job is one series of a batch.
type job struct {
	ind, state, bars, n, stride, out, outStride uint32
	rc                                          int32
}

var (
	regions [][]byte // keeps what the host asked for
	reason  string   // of the last error
)

func main() {}

//go:wasmexport kl_abi
func klABI() int32 { return 1 << 16 }

//go:wasmexport kl_describe
func klDescribe() int64 { return packed(manifest) }

//go:wasmexport kl_error
func klError() int64 { return packed(reason) }

func packed(s string) int64 {
	return int64(uint64(uintptr(unsafe.Pointer(unsafe.StringData(s))))<<32 | uint64(len(s)))
}

//go:wasmexport kl_alloc
func klAlloc(size uint32) unsafe.Pointer {
	if size > 16<<20 {
		return nil
	}
	region := make([]byte, max((size+15)&^15, 32)) // smaller ones are not always 16-aligned
	regions = append(regions, region)
	return unsafe.Pointer(&region[0])
}

// params are the parameters of a configuration.
func (c *config) values() []float64 {
	if c.count == 0 || c.count > 32 || c.params == 0 {
		return nil
	}
	return unsafe.Slice((*float64)(unsafe.Add(unsafe.Pointer(nil), c.params)), c.count)
}

func failed(code int32) int32 {
	switch code {
	case errIndicator:
		reason = "there is no such indicator"
	case errParams:
		reason = "a parameter is out of range: see the manifest"
	}
	return code
}

//go:wasmexport kl_state_size
func klStateSize(cfg unsafe.Pointer) int32 {
	c := (*config)(cfg)
	return failed(stateSize(c.ind, c.values()))
}

//go:wasmexport kl_init
func klInit(cfg, state unsafe.Pointer) int32 {
	c := (*config)(cfg)
	size := stateSize(c.ind, c.values())
	if size < 0 {
		return failed(size)
	}
	clear(unsafe.Slice((*byte)(state), size))
	start(c.ind, c.values(), state)
	return 0
}

//go:wasmexport kl_warmup
func klWarmup(cfg unsafe.Pointer) int32 {
	c := (*config)(cfg)
	if size := stateSize(c.ind, c.values()); size < 0 {
		return failed(size)
	}
	return warmup(c.ind, c.values())
}

//go:wasmexport kl_update
func klUpdate(ind uint32, state, bar, out unsafe.Pointer) int32 {
	return update(ind, state, (*Bar)(bar), (*[16]float64)(out))
}

//go:wasmexport kl_update_batch
func klUpdateBatch(jobs unsafe.Pointer, n uint32) int32 {
	for i := uint32(0); i < n; i++ {
		j := (*job)(unsafe.Add(jobs, i*32))
		state := unsafe.Add(unsafe.Pointer(nil), j.state)
		for k := uint32(0); k < j.n; k++ {
			bar := unsafe.Add(unsafe.Pointer(nil), j.bars+k*j.stride)
			out := unsafe.Add(unsafe.Pointer(nil), j.out+k*j.outStride)
			j.rc = update(j.ind, state, (*Bar)(bar), (*[16]float64)(out))
			if j.rc < 0 {
				j.n = k
				break
			}
		}
	}
	return 0
}
