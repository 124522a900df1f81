package wasmhost

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The version of the ABI. A module with the same major and a minor up to ours
// is run; a newer minor may mean something this host would half understand.
const (
	abiMajor = 1
	abiMinor = 0
)

// Result codes of a [Job]. Codes below 0 mean that there are no values; those
// from -1 to -5 and from -100 down come from the module, the others from the
// host.
const (
	RCWarming   int32 = 0  // the outputs are not due yet
	RCReady     int32 = 1  // the outputs are due
	RCIndicator int32 = -1 // unknown indicator
	RCParams    int32 = -2 // bad parameters
	RCState     int32 = -3 // bad state
	RCInput     int32 = -4 // bad input; also a bar with a NaN or an infinity, which is never handed in
	RCSupport   int32 = -5 // not supported
	RCTrap      int32 = -98
	RCProtocol  int32 = -99 // the module broke the ABI, for example with a reserved result

	// rcUnset is what the host writes into a job; a guest that leaves it there
	// did not do the job.
	rcUnset int32 = math.MaxInt32
)

// checkABI applies the version rule to the result of kl_abi.
func checkABI(v uint32) error {
	major, minor := v>>16, v&0xffff
	if major != abiMajor || minor > abiMinor {
		return fmt.Errorf("module speaks kl%d.%d, this host speaks kl%d up to minor %d", major, minor, abiMajor, abiMinor)
	}
	return nil
}

const (
	cfgSize = 64
	barSize = 80
	jobSize = 32

	// maxState is the largest state of one series in bytes.
	maxState = 64 << 10
)

// putCfg writes a KlCfg for inst on series; its parameters are at ptr.
func putCfg(b []byte, inst *Instance, series Series, ptr uint32) {
	b = b[:cfgSize:cfgSize]
	clear(b)
	binary.LittleEndian.PutUint32(b[0:], inst.Indicator.ID)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(inst.Params)))
	binary.LittleEndian.PutUint32(b[8:], ptr)
	binary.LittleEndian.PutUint64(b[16:], uint64(series.IntervalMS))
	binary.LittleEndian.PutUint64(b[24:], uint64(series.SessionOffsetMS))
	binary.LittleEndian.PutUint64(b[32:], math.Float64bits(series.TickSize))
}

// putJob writes a KlJob. A stride of 0 keeps only the last row.
func putJob(b []byte, ind, state, bars, n, out, outStride uint32) {
	b = b[:jobSize:jobSize]
	binary.LittleEndian.PutUint32(b[0:], ind)
	binary.LittleEndian.PutUint32(b[4:], state)
	binary.LittleEndian.PutUint32(b[8:], bars)
	binary.LittleEndian.PutUint32(b[12:], n)
	binary.LittleEndian.PutUint32(b[16:], barSize)
	binary.LittleEndian.PutUint32(b[20:], out)
	binary.LittleEndian.PutUint32(b[24:], outStride)
	binary.LittleEndian.PutUint32(b[28:], uint32(rcUnset))
}

// jobResult reads what the guest left in a KlJob: bars done and result.
func jobResult(b []byte) (n uint32, rc int32) {
	return binary.LittleEndian.Uint32(b[12:]), int32(binary.LittleEndian.Uint32(b[28:]))
}
