package core

// Why tells what caused a restatement.
type Why string

// Causes of a restatement. WhyNone stands on bars as first closed.
const (
	WhyNone Why = ""
	WhyLate Why = "late"
)

// Quality says what a bar is worth.
type Quality uint8

// Qualities. A partial bar may lack trades from before the engine watched its
// series.
const (
	QualityTrades Quality = iota
	QualityPartial
)

// String returns the name used in kline records.
func (q Quality) String() string {
	if q == QualityPartial {
		return "partial"
	}
	return "trades"
}

// Kline is one bar as it is published, or as it stands now (Final false).
type Kline struct {
	SymbolID    uint32
	IntervalIdx uint8 // index into Config.Intervals
	Symbol      string
	Interval    string
	OpenTime    int64 // ms UTC
	CloseTime   int64 // ms UTC, next open - 1

	PriceScale, SizeScale uint8
	O, H, L, C            int64  // at PriceScale
	V, BV                 Int128 // base volume and its taker-buy part, at SizeScale
	QV, BQV               Int128 // quote volume and its taker-buy part, at PriceScale + SizeScale
	N                     int64  // trades
	First, Last           TradeID

	Final  bool
	Rev    int32 // restatements since the first close; a bar born late starts at 1
	Why    Why
	Seq    int64 // +1 per closed or restated bar of the series, from 1
	Q      Quality
	P      int32 // partition
	O0, O1 int64 // lowest and highest input offset that contributed
	Epoch  int32 // dataset epoch
	So     int64 // input offset of the record, or at of the decision, that caused it
	// Watermark is the symbol's watermark, ms UTC, when the bar was published.
	Watermark int64
}
