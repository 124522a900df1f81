package wasmhost

import "strings"

// Price is the input series of an indicator.
type Price uint8

// The prices a user may name after src=. Close is the default.
const (
	Close Price = iota
	Open
	High
	Low
	HL2   // (high+low)/2
	HLC3  // (high+low+close)/3
	OHLC4 // (open+high+low+close)/4
	HLCC4 // (high+low+2*close)/4
	Volume
	QuoteVolume
)

// priceNames is indexed by Price.
func priceNames() [10]string {
	return [...]string{"close", "open", "high", "low", "hl2", "hlc3", "ohlc4", "hlcc4", "volume", "quote_volume"}
}

// String returns the name as written in expressions.
func (p Price) String() string {
	names := priceNames()
	if int(p) >= len(names) {
		return "unknown price"
	}
	return names[p]
}

// ParsePrice returns the price with the given name.
func ParsePrice(name string) (Price, bool) {
	for i, n := range priceNames() {
		if n == name {
			return Price(i), true
		}
	}
	return Close, false
}

func priceList() string {
	names := priceNames()
	return strings.Join(names[:], ", ")
}

// Of returns the price of a bar. Sums are taken from left to right, and no
// product is fused with one, so that every CPU gets the same bits.
func (p Price) Of(b *Bar) float64 {
	switch p {
	case Open:
		return b.Open
	case High:
		return b.High
	case Low:
		return b.Low
	case HL2:
		return (b.High + b.Low) / 2
	case HLC3:
		return (b.High + b.Low + b.Close) / 3
	case OHLC4:
		return (b.Open + b.High + b.Low + b.Close) / 4
	case HLCC4:
		return (b.High + b.Low + float64(2*b.Close)) / 4
	case Volume:
		return b.Volume
	case QuoteVolume:
		return b.QuoteVolume
	default:
		return b.Close
	}
}
