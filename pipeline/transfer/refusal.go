package transfer

import "github.com/caddy-kline/caddy-kline/pipeline/core"

// refusal says in words what the decoder refuses, and what the engine would.
func refusal(t *core.Trade) error {
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
	case t.Price.Coef <= 0:
		return faulty("price", "is not above 0")
	case t.Size.Coef <= 0:
		return faulty("size", "is not above 0")
	case t.Price.Scale > core.MaxScale:
		return faulty("price", "has more than %d decimal places", core.MaxScale)
	case t.Size.Scale > core.MaxScale:
		return faulty("size", "has more than %d decimal places", core.MaxScale)
	}
	return nil
}
