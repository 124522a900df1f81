package adapter

import (
	"bytes"
	"regexp"
)

// Contracts that are settled in their base currency: BTCUSD, BTCUSDZ25 of Bybit,
// BTCUSD_PERP, BTCUSD_240628 of Binance.
var (
	bybitInverse   = regexp.MustCompile(`USD([FGHJKMNQUVXZ][0-9]{2})?\z`)
	binanceInverse = regexp.MustCompile(`USD_(PERP|[0-9]{6})\z`)
)

// CountsContracts reports whether the sizes that a venue writes of a symbol are
// contracts, or quote currency, instead of base currency: added up as such they
// would be another volume.
func CountsContracts(preset string, symbol []byte) bool {
	switch preset {
	case "okx": // futures, swaps and options have more than two parts
		return bytes.Count(symbol, []byte("-")) > 1
	case "bybit", "bybit_v2", "bybit_v3":
		return bybitInverse.Match(symbol)
	case "binance", "binance_agg":
		return binanceInverse.Match(symbol)
	}
	return false
}
