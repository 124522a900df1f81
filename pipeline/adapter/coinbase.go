package adapter

import (
	"encoding/json"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// coinbase reads the matches of Coinbase Exchange. `side` is that of the maker,
// on the stream and over HTTP. The first frame after a subscription is
// `last_match`, an old trade that its id tells.
type coinbase struct{ dec *wire.Decoder }

func coinbaseFields() fields {
	return fields{
		paths: map[string]string{"symbol": "product_id", "price": "price", "size": "size", "ts": "time", "id": "trade_id", "side": "side"},
		unit:  wire.UnitRFC3339, sideOf: wire.SideOfMaker,
	}
}

func newCoinbase() dialect { return &coinbase{coinbaseFields().decoder()} }

func (c *coinbase) frame(_ *Reader, raw []byte) (Message, error) {
	m, ok := members(raw)
	if !ok {
		return Message{}, foreign("no object", raw)
	}
	switch kind := text(m["type"]); kind {
	case "match", "last_match":
		t := decode(c.dec, raw, "")
		requireInt(&t, "trade_id")
		named(&t, m, "product_id")
		return Message{Kind: KindTrades, Trades: []Trade{t}, Snapshot: kind == "last_match"}, nil
	case "heartbeat":
		last, _ := number(m["last_trade_id"])
		return Message{Kind: KindControl, Symbol: text(m["product_id"]), LastID: last}, nil
	case "subscriptions":
		return Message{Kind: KindControl}, nil
	case "error":
		return Message{Kind: KindRefused, Text: text(m["message"]) + ": " + text(m["reason"])}, nil
	}
	return Message{Kind: KindUnknown}, nil
}

func (c *coinbase) page(_ *Reader, symbol string, raw []byte) (Page, error) {
	list, ok := elements(raw)
	if !ok {
		return Page{}, foreign("no list of trades", raw)
	}
	var p Page
	for _, one := range list {
		t := decode(c.dec, one, symbol)
		requireInt(&t, "trade_id")
		p.Trades = append(p.Trades, t)
	}
	return p, nil
}

// named refuses a frame that does not name its symbol.
func named(t *Trade, m map[string]json.RawMessage, key string) {
	if t.Reject == core.ReasonNone && text(m[key]) == "" {
		t.Reject, t.Field = core.ReasonSymbol, key
	}
}

// coinbaseAdvanced reads the channel market_trades of Coinbase Advanced Trade.
// `side` is the maker's here as well. A snapshot repeats old trades.
type coinbaseAdvanced struct{ dec *wire.Decoder }

func newCoinbaseAdvanced() dialect { return &coinbaseAdvanced{coinbaseFields().decoder()} }

func (c *coinbaseAdvanced) frame(_ *Reader, raw []byte) (Message, error) {
	m, ok := members(raw)
	if !ok {
		return Message{}, foreign("no object", raw)
	}
	switch {
	case text(m["type"]) == "error":
		return Message{Kind: KindRefused, Text: text(m["message"])}, nil
	case text(m["channel"]) == "market_trades":
	case present(m["channel"]):
		return Message{Kind: KindControl}, nil
	default:
		return Message{Kind: KindUnknown}, nil
	}
	out := Message{Kind: KindTrades}
	events, ok := elements(m["events"])
	if !ok {
		return Message{}, foreign("events is no list", raw)
	}
	for _, event := range events {
		e, _ := members(event)
		out.Snapshot = out.Snapshot || text(e["type"]) == "snapshot"
		trades, ok := elements(e["trades"])
		if !ok {
			return Message{}, foreign("trades is no list", raw)
		}
		for _, one := range trades {
			out.Trades = append(out.Trades, c.trade(one, ""))
		}
	}
	ascending(out.Trades)
	return out, nil
}

func (c *coinbaseAdvanced) trade(raw json.RawMessage, symbol string) Trade {
	t := decode(c.dec, raw, symbol)
	requireID(&t, "trade_id")
	if m, _ := members(raw); symbol == "" {
		named(&t, m, "product_id")
	}
	return t
}

func (c *coinbaseAdvanced) page(_ *Reader, symbol string, raw []byte) (Page, error) {
	list, ok := descend(raw, "trades")
	if !ok {
		return Page{}, foreign("no list of trades", raw)
	}
	var p Page
	for _, one := range list {
		p.Trades = append(p.Trades, c.trade(one, symbol))
	}
	return p, nil
}
