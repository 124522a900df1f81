package transfer

import (
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// ofObject reads generic JSON: an object, or an array of objects.
func (t *tradeReader) ofObject(r *row) error {
	var rejected error
	count := 0
	first := func(unit wire.TimeUnit) core.Trade {
		var err error
		t.trades, err = t.decoder(unit).Decode(r.text, t.trades[:0])
		if rejected = err; err != nil || len(t.trades) == 0 {
			return core.Trade{Reject: core.ReasonDecode}
		}
		count = len(t.trades)
		return t.trades[0]
	}
	_, err := t.judged(first, string(r.text))
	if refused := (*wire.RejectError)(nil); errors.As(rejected, &refused) {
		if refused.Field == "" {
			return faulty("", "it is no JSON object of a trade (%s); rows that are arrays need --columns, frames of a venue --venue", refused.Reason)
		}
		return faulty(refused.Field, "cannot be used (%s)", refused.Reason)
	}
	if err != nil || count < 2 {
		return err
	}
	for i := range t.trades[1:] {
		if err := refusal(&t.trades[i+1], t.cfg.Rules); err != nil {
			return err
		}
	}
	return nil
}

// ofFrame reads what a venue sends. Frames without trades have none.
func (t *tradeReader) ofFrame(r *row) error {
	t.trades = t.trades[:0]
	m, err := t.frames.Frame(r.text)
	if err != nil || m.Kind == adapter.KindUnknown {
		return faulty("", "it is no frame of %s", t.cfg.Venue)
	}
	for i := range m.Trades {
		one := m.Trades[i].Trade
		if string(one.Symbol) == adapter.Nameless && len(t.symbol) > 0 {
			one.Symbol = t.symbol
		}
		if one.Reject == core.ReasonSize {
			return faulty("size", "is no decimal number, or counts contracts instead of base units (--contracts takes it as it is)")
		}
		if err := refusal(&one, t.cfg.Rules); err != nil {
			return err
		}
		t.trades = append(t.trades, one)
	}
	return nil
}
