package wasmhost

import (
	"encoding/binary"
	"math"
)

// Flags of a [Bar].
const (
	flagClosed uint32 = 1 // set by the host: on for closed bars, off for previews

	FlagSynthetic    uint32 = 2 // fills a gap, nothing was traded
	FlagSessionStart uint32 = 4 // first bar of a trading session
	FlagHasTaker     uint32 = 8 // TakerBuyVolume is known

	callerFlags = FlagSynthetic | FlagSessionStart | FlagHasTaker
)

// Bar is one kline as indicators see it. All numbers must be finite; a bar
// with another one is answered with [RCInput] and changes nothing.
type Bar struct {
	OpenTime       int64 // milliseconds since the Unix epoch
	Open           float64
	High           float64
	Low            float64
	Close          float64
	Volume         float64 // base asset
	QuoteVolume    float64
	TakerBuyVolume float64 // used only with FlagHasTaker
	Trades         uint32
	Flags          uint32 // FlagSynthetic, FlagSessionStart, FlagHasTaker
}

// finite tells whether every number of the bar is one. The differences are NaN
// for NaN and for infinities, and a sum of NaN and anything stays NaN. They are
// summed in pairs: in a row each addition would wait for the one before.
func (b *Bar) finite() bool {
	prices := ((b.Open - b.Open) + (b.High - b.High)) + ((b.Low - b.Low) + (b.Close - b.Close))
	volumes := ((b.Volume - b.Volume) + (b.QuoteVolume - b.QuoteVolume)) + (b.TakerBuyVolume - b.TakerBuyVolume)
	return prices+volumes == 0
}

// putBar writes a KlBar of 80 bytes.
func putBar(dst []byte, b *Bar, src float64, closed bool) {
	dst = dst[:barSize:barSize]
	flags, taker := b.Flags&callerFlags, 0.0
	if flags&FlagHasTaker != 0 {
		taker = b.TakerBuyVolume
	}
	if closed {
		flags |= flagClosed
	}
	binary.LittleEndian.PutUint64(dst[0:], uint64(b.OpenTime))
	binary.LittleEndian.PutUint64(dst[8:], math.Float64bits(b.Open))
	binary.LittleEndian.PutUint64(dst[16:], math.Float64bits(b.High))
	binary.LittleEndian.PutUint64(dst[24:], math.Float64bits(b.Low))
	binary.LittleEndian.PutUint64(dst[32:], math.Float64bits(b.Close))
	binary.LittleEndian.PutUint64(dst[40:], math.Float64bits(b.Volume))
	binary.LittleEndian.PutUint64(dst[48:], math.Float64bits(b.QuoteVolume))
	binary.LittleEndian.PutUint32(dst[56:], b.Trades)
	binary.LittleEndian.PutUint32(dst[60:], flags)
	binary.LittleEndian.PutUint64(dst[64:], math.Float64bits(src))
	binary.LittleEndian.PutUint64(dst[72:], math.Float64bits(taker))
}
