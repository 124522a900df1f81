package transfer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// trades sorts trades by their time.
func (e *exporter) trades(ctx context.Context, r Reader, w io.Writer) (int64, error) {
	err := r.Trades(ctx, e.cfg, func(t *history.Trade) error {
		if !e.cfg.wants(string(t.Symbol), t.EventNS/1e6) {
			return nil
		}
		if refusal(&t.Trade, e.cfg.Rules) != nil {
			return nil //nolint:nilerr // a price of 0: it is in the dead letters, and no import takes it
		}
		e.key = appendOrdered(append(append(e.key[:0], t.Symbol...), 0), t.EventNS)
		for _, n := range [...]int64{int64(t.P), t.Offset, int64(t.Index)} {
			e.key = appendOrdered(e.key, n)
		}
		e.value = wire.AppendTrade(e.value[:0], &t.Trade)
		return e.sorter.add(e.key, e.value)
	})
	if err != nil {
		return 0, err
	}
	return e.writeTrades(w)
}

// writeTrades leaves out what has the id and the time of a trade before it.
func (e *exporter) writeTrades(w io.Writer) (rows int64, err error) {
	columns := []column{
		{"symbol", cellText},
		{"ts", cellTime},
		{"tn", cellInt},
		{"price", cellDecimal},
		{"size", cellDecimal},
		{"id", cellID},
		{"side", cellText},
		{"seq", cellInt},
	}
	t, err := newTable(w, columns, e.cfg)
	if err != nil {
		return 0, err
	}
	dec := wire.NewDecoder(nil)
	var trades []core.Trade
	var moment []byte
	seen := map[string]bool{}
	err = e.sorter.each(func(key, value []byte) error {
		if this := key[:len(key)-3*8]; !bytes.Equal(this, moment) {
			moment = append(moment[:0], this...)
			clear(seen)
		}
		trades, err = dec.Decode(value, trades[:0])
		if err != nil {
			return fmt.Errorf("reading a sorted row: %w", err)
		}
		if len(trades) != 1 {
			return fmt.Errorf("reading a sorted row: it holds %d trades, not one", len(trades))
		}
		one := &trades[0]
		if one.ID.Kind != core.IDNone {
			id := string(tradeID(&one.ID))
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		rows++
		return t.row(tradeCells(one))
	})
	if err == nil {
		err = t.end()
	}
	return rows, err
}

func tradeCells(t *core.Trade) cells {
	const milli = 1_000_000
	c := cells{
		t.Symbol, strconv.AppendInt(nil, t.EventNS/milli, 10), nil,
		core.AppendDecimal(nil, t.Price.Coef, t.Price.Scale), core.AppendDecimal(nil, t.Size.Coef, t.Size.Scale), tradeID(&t.ID), nil, nil,
	}
	if ns := t.EventNS % milli; ns != 0 {
		c[2] = strconv.AppendInt(nil, ns, 10)
	}
	if t.Side != core.SideUnknown {
		c[6] = []byte(t.Side.String())
	}
	if t.HasSeq {
		c[7] = strconv.AppendInt(nil, t.Seq, 10)
	}
	return c
}

func tradeID(id *core.TradeID) []byte {
	switch id.Kind {
	case core.IDInt:
		return strconv.AppendInt(nil, id.Num, 10)
	case core.IDText:
		return id.Text
	default:
		return nil
	}
}
