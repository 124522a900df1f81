package indicators

import "unsafe"

// Ids of the built-in indicators. They are part of the manifest, of stored
// states and of cache keys, and never change.
const (
	SMA    uint32 = 1
	EMA    uint32 = 2
	WMA    uint32 = 4
	VWAP   uint32 = 12
	BBANDS uint32 = 13
	RSI    uint32 = 19
	MACD   uint32 = 21
	STOCH  uint32 = 24
	KDJ    uint32 = 25
	ATR    uint32 = 39
	OBV    uint32 = 41
)

// head begins every state. An update with the wrong id would read one
// indicator's bytes as another's counters; the id costs one comparison.
type head struct {
	ind  uint32
	size uint32 // of the whole state in bytes, windows included
}

// sizeOf is the length of the state in bytes, 0 for an unknown id. It reads,
// and so checks, every parameter.
func sizeOf(ind uint32, a *args) uint32 {
	switch ind {
	case SMA:
		return smaSize(a)
	case EMA:
		return emaSize(a)
	case WMA:
		return wmaSize(a)
	case VWAP:
		return vwapSize(a)
	case BBANDS:
		return bbandsSize(a)
	case RSI:
		return rsiSize(a)
	case MACD:
		return macdSize(a)
	case STOCH:
		return stochSize(a)
	case KDJ:
		return kdjSize(a)
	case ATR:
		return atrSize(a)
	case OBV:
		return obvSize(a)
	}
	return 0
}

// start writes what differs from zero into a zeroed state.
func start(cfg *Cfg, a *args, p unsafe.Pointer) {
	switch cfg.Ind {
	case SMA:
		smaInit(a, p)
	case EMA:
		emaInit(a, p)
	case WMA:
		wmaInit(a, p)
	case VWAP:
		vwapInit(a, p, cfg.SessionOffsetMS)
	case BBANDS:
		bbandsInit(a, p)
	case RSI:
		rsiInit(a, p)
	case MACD:
		macdInit(a, p)
	case STOCH:
		stochInit(a, p)
	case KDJ:
		kdjInit(a, p)
	case ATR:
		atrInit(a, p)
	case OBV:
		obvInit(a, p)
	}
}

// step folds one bar into a state and writes one output row.
func step(ind uint32, p unsafe.Pointer, b *Bar, out unsafe.Pointer) int32 {
	switch ind {
	case SMA:
		return smaUpdate(p, b, out)
	case EMA:
		return emaUpdate(p, b, out)
	case WMA:
		return wmaUpdate(p, b, out)
	case VWAP:
		return vwapUpdate(p, b, out)
	case BBANDS:
		return bbandsUpdate(p, b, out)
	case RSI:
		return rsiUpdate(p, b, out)
	case MACD:
		return macdUpdate(p, b, out)
	case STOCH:
		return stochUpdate(p, b, out)
	case KDJ:
		return kdjUpdate(p, b, out)
	case ATR:
		return atrUpdate(p, b, out)
	case OBV:
		return obvUpdate(p, b, out)
	}
	return ErrUnknown
}

// warmup is the number of bars after which the start of the series no longer
// matters. The parameters are checked already.
func warmup(cfg *Cfg, a *args) int32 {
	switch cfg.Ind {
	case SMA:
		return smaWarmup(a)
	case EMA:
		return emaWarmup(a)
	case WMA:
		return wmaWarmup(a)
	case VWAP:
		return vwapWarmup(a, cfg.IntervalMS)
	case BBANDS:
		return bbandsWarmup(a)
	case RSI:
		return rsiWarmup(a)
	case MACD:
		return macdWarmup(a)
	case STOCH:
		return stochWarmup(a)
	case KDJ:
		return kdjWarmup(a)
	case ATR:
		return atrWarmup(a)
	case OBV:
		return Forever
	}
	return ErrUnknown
}

// OutputCount is the length of an output row of ind in doubles, 0 for an
// unknown id. An output named degenerate is included and comes last.
func OutputCount(ind uint32) int {
	switch ind {
	case SMA, EMA, WMA, ATR, OBV:
		return 1
	case RSI:
		return 2
	case MACD, STOCH:
		return 3
	case VWAP, KDJ:
		return 4
	case BBANDS:
		return 6
	}
	return 0
}
