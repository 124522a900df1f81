package indicators

// CfgSize is the length of Cfg in bytes.
const CfgSize = 64

// Forever is the warm-up of an indicator whose value depends on the start of
// its series for ever.
const Forever int32 = 2147483647

// Cfg describes one instance of an indicator, in the layout of the ABI. The
// parameter values travel beside it: natively as a slice, in the guest at the
// address Params.
type Cfg struct {
	Ind              uint32  // indicator id of the manifest
	NParams          uint32  // guest only: number of values at Params
	Params           uint32  // guest only: address of the parameter values
	Flags            uint32  // 0
	IntervalMS       int64   // length of a bar; 0 = not time bars
	SessionOffsetMS  int64   // start of the trading session, from UTC midnight
	TickSize         float64 // price step; 0 = unknown
	FromStateVersion uint32  // only for migrations, which the built-ins do not need
	_                uint32
	_                uint64
	_                uint64
}
