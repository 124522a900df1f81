package transfer

import "github.com/caddy-kline/caddy-kline/pipeline/core"

// refusal says in words what the decoder refuses, and what an engine with these
// rules would.
func refusal(t *core.Trade, rules []core.SymbolRule) error {
	field := t.Field
	switch t.Reject {
	case core.ReasonNone:
	case core.ReasonPrice, core.ReasonSize:
		return faulty(t.Reject.String(), "is no decimal number")
	case core.ReasonSymbol:
		return faulty("symbol", "is no symbol (a letter or digit, then up to 31 of letters, digits and . _ : / -)")
	case core.ReasonOverflow:
		return faulty(field, "has more digits than can be kept exactly")
	case core.ReasonTS:
		return faulty("ts", "is no time")
	case core.ReasonRef:
		return faulty("op", "is a cancel or a correction, which are not applied")
	default:
		if field == "id" {
			return faulty("id", "is no id (an integer, or a text of at most %d bytes)", core.MaxTradeIDText)
		}
		return faulty(field, "cannot be used (%s)", t.Reject)
	}
	switch {
	case !takesPrice(rules, string(t.Symbol), t.Price):
		return faulty("price", "is not above 0 (`prices any` in the block symbols takes it)")
	case t.Size.Coef <= 0:
		return faulty("size", "is not above 0")
	case t.Price.Scale > core.MaxScale:
		return faulty("price", "has more than %d decimal places", core.MaxScale)
	case t.Size.Scale > core.MaxScale:
		return faulty("size", "has more than %d decimal places", core.MaxScale)
	}
	return nil
}

// takesPrice reports whether the engine takes the price for the symbol.
func takesPrice(rules []core.SymbolRule, symbol string, price core.Decimal) bool {
	return price.Coef > 0 || core.RuleOf(rules, symbol).TakesPrice(price)
}
