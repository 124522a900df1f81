package adapter

import (
	"encoding/json"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// okx reads the channel trades. A trade with `count` above 1 is several, and its
// id the last of theirs. Futures, swaps and options count `sz` in contracts.
type okx struct{ dec *wire.Decoder }

func newOKX() dialect {
	return &okx{fields{paths: map[string]string{
		"symbol": "instId", "price": "px", "size": "sz", "ts": "ts", "id": "tradeId", "side": "side",
	}}.decoder()}
}

func (o *okx) frame(r *Reader, raw []byte) (Message, error) {
	if string(raw) == "pong" {
		return Message{Kind: KindControl}, nil
	}
	m, ok := members(raw)
	if !ok {
		return Message{}, foreign("no object", raw)
	}
	switch event := text(m["event"]); event {
	case "":
	case "error":
		return Message{Kind: KindRefused, Text: text(m["msg"])}, nil
	default: // subscribe, unsubscribe, notice, channel-conn-count
		return Message{Kind: KindControl}, nil
	}
	arg, _ := members(m["arg"])
	if text(arg["channel"]) != "trades" {
		return Message{Kind: KindUnknown}, nil
	}
	list, ok := elements(m["data"])
	if !ok {
		return Message{}, foreign("data is no list", raw)
	}
	out := Message{Kind: KindTrades}
	for _, one := range list {
		out.Trades = append(out.Trades, o.trade(r, one, ""))
	}
	return out, nil
}

func (*okx) isContract(symbol []byte) bool { return CountsContracts("okx", symbol) }

func (o *okx) trade(r *Reader, raw json.RawMessage, symbol string) Trade {
	t := decode(o.dec, raw, symbol)
	requireInt(&t, "tradeId")
	m, _ := members(raw)
	if symbol == "" {
		named(&t, m, "instId")
	}
	if t.Reject != core.ReasonNone {
		return t
	}
	if o.isContract(t.Symbol) && !r.options.Contracts {
		t.Reject, t.Field = core.ReasonSize, "sz"
	}
	if count := m["count"]; present(count) {
		n, ok := number(count)
		if !ok || n < 1 || n > t.ID.Num {
			t.Reject, t.Field = core.ReasonDecode, "count"
			return t
		}
		t.Span = n
	}
	return t
}

func (o *okx) page(r *Reader, symbol string, raw []byte) (Page, error) {
	m, ok := members(raw)
	if !ok {
		return Page{}, foreign("no object", raw)
	}
	if code := text(m["code"]); code != "0" {
		return Page{}, foreign("code "+cut(code), raw)
	}
	list, ok := elements(m["data"])
	if !ok {
		return Page{}, foreign("data is no list", raw)
	}
	var p Page
	for _, one := range list {
		p.Trades = append(p.Trades, o.trade(r, one, symbol))
	}
	return p, nil
}
