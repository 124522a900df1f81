package wasmhost

// Sizes of the structures of the ABI in bytes.
const (
	CfgSize      = cfgSize
	BarSize      = barSize
	JobSize      = jobSize
	MaxState     = maxState         // of one series
	ManifestSize = maxManifest      // of a module that the program brings
	UploadText   = 16 << 10         // of the manifest of any other module
	UnsetResult  = int32(1<<31 - 1) // what a host writes into a job before it is done
)

// PutCfg writes a KlCfg of 64 bytes whose parameters stand at ptr; from is the
// state version of the old bytes in a migration, else 0.
func PutCfg(dst []byte, ind *Indicator, params []float64, ptr uint32, series Series, from uint32) {
	putCfg(dst, &Instance{Indicator: ind, Params: params}, series, ptr)
	dst[40], dst[41], dst[42], dst[43] = byte(from), byte(from>>8), byte(from>>16), byte(from>>24)
}

// PutBar writes a KlBar of 80 bytes.
func PutBar(dst []byte, b *Bar, src float64, closed bool) { putBar(dst, b, src, closed) }

// PutJob writes a KlJob of 32 bytes with bars that stand barStride apart.
func PutJob(dst []byte, ind, state, bars, n, barStride, out, outStride uint32) {
	putJob(dst, ind, state, bars, n, out, outStride)
	dst[16], dst[17], dst[18], dst[19] = byte(barStride), byte(barStride>>8), byte(barStride>>16), byte(barStride>>24)
}

// JobResult reads what a guest left in a KlJob: bars done and result.
func JobResult(b []byte) (n uint32, rc int32) { return jobResult(b) }

// CheckABI applies the version rule to the result of kl_abi.
func CheckABI(version uint32) error { return checkABI(version) }
