package indicators

// Flags of Bar.Flags. An indicator must not let FlagClosed change its
// arithmetic: a preview and the final bar run through the same instructions.
const (
	FlagClosed       uint32 = 1 // the bar is complete
	FlagSynthetic    uint32 = 2 // the bar fills a gap without trades
	FlagSessionStart uint32 = 4 // first bar of a trading session
	FlagHasTaker     uint32 = 8 // TakerBuyVolume is known
)

// BarSize is the length of Bar in bytes. Later minors of the ABI may append
// fields, so a reader of an array steps by the stride of its job.
const BarSize = 80

// Bar is one kline as the guest sees it in memory: little-endian, 8-aligned.
// Prices and volumes are finite; the caller rejects anything else.
type Bar struct {
	OpenTimeMS     int64   // milliseconds since the Unix epoch, UTC
	Open           float64 // price
	High           float64 // price, >= Open and Close
	Low            float64 // price, <= Open and Close
	Close          float64 // price
	Volume         float64 // base asset, >= 0
	QuoteVolume    float64 // quote asset, >= 0
	Trades         uint32  // number of trades
	Flags          uint32  // Flag bits
	Src            float64 // the series the user chose, close by default
	TakerBuyVolume float64 // base asset, 0 without FlagHasTaker
}

// priceHLC3 is (high + low + close) / 3, summed in that order.
func (b *Bar) priceHLC3() float64 { return (b.High + b.Low + b.Close) / 3 }

// priceHL2 is (high + low) / 2.
func (b *Bar) priceHL2() float64 { return (b.High + b.Low) / 2 }

// priceOHLC4 is (open + high + low + close) / 4, summed in that order.
func (b *Bar) priceOHLC4() float64 { return (b.Open + b.High + b.Low + b.Close) / 4 }

// priceHLCC4 is (high + low + 2 close) / 4. Doubling is exact, but the
// conversion stays: the rule that a product never meets a sum bare has no
// exceptions to remember.
func (b *Bar) priceHLCC4() float64 { return (b.High + b.Low + float64(2*b.Close)) / 4 }
