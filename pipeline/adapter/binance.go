package adapter

import (
	"encoding/json"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// binance reads the trade stream and, as aggregated, that of aggregated trades.
// `m` says that the buyer was the maker, so the taker sold. The event time is
// `T`, the time of the trade; `E` is when the frame was made.
type binance struct {
	event string // of the frames
	live  *wire.Decoder
	rest  *wire.Decoder
	id    string
}

func newBinance() dialect {
	return &binance{
		event: "trade", id: "t",
		live: fields{paths: map[string]string{"symbol": "s", "price": "p", "size": "q", "ts": "T", "id": "t", "side": "m"}, sideOf: wire.SideOfMaker}.decoder(),
		rest: fields{paths: map[string]string{"symbol": "symbol", "price": "price", "size": "qty", "ts": "time", "id": "id", "side": "isBuyerMaker"}, sideOf: wire.SideOfMaker}.decoder(),
	}
}

func newBinanceAggregated() dialect {
	same := fields{paths: map[string]string{"symbol": "s", "price": "p", "size": "q", "ts": "T", "id": "a", "side": "m"}, sideOf: wire.SideOfMaker}
	return &binance{event: "aggTrade", id: "a", live: same.decoder(), rest: same.decoder()}
}

func (b *binance) frame(r *Reader, raw []byte) (Message, error) {
	m, ok := members(raw)
	if !ok {
		return Message{}, foreign("no object", raw)
	}
	body := json.RawMessage(raw)
	if inner, wrapped := m["data"]; wrapped {
		if _, named := m["stream"]; named {
			body = inner
			if m, ok = members(body); !ok {
				return Message{}, foreign("data is no object", raw)
			}
		}
	}
	switch {
	case text(m["e"]) == b.event:
		t := decode(b.live, body, "")
		requireInt(&t, b.id)
		b.named(&t, m)
		b.contracts(r, &t)
		return Message{Kind: KindTrades, Trades: []Trade{t}}, nil
	case present(m["error"]), present(m["code"]) && present(m["msg"]):
		return Message{Kind: KindRefused, Text: string(raw)}, nil
	case present(m["id"]) && !present(m["e"]):
		return Message{Kind: KindControl}, nil
	}
	return Message{Kind: KindUnknown}, nil
}

// named refuses a frame without a symbol, which only an answer may lack.
func (*binance) named(t *Trade, m map[string]json.RawMessage) {
	if t.Reject == core.ReasonNone && text(m["s"]) == "" {
		t.Reject, t.Field = core.ReasonSymbol, "s"
	}
}

// contracts refuses sizes of contracts that are settled in their base currency.
func (*binance) contracts(r *Reader, t *Trade) {
	if t.Reject == core.ReasonNone && !r.options.Contracts && CountsContracts("binance", t.Symbol) {
		t.Reject, t.Field = core.ReasonSize, "q"
	}
}

func (b *binance) page(r *Reader, symbol string, raw []byte) (Page, error) {
	list, ok := elements(raw)
	if !ok {
		return Page{}, foreign("no list of trades", raw)
	}
	var p Page
	for _, one := range list {
		t := decode(b.rest, one, symbol)
		requireInt(&t, b.id)
		b.contracts(r, &t)
		p.Trades = append(p.Trades, t)
	}
	return p, nil
}

// present reports whether a key is there and not null.
func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
