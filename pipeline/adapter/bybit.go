package adapter

import (
	"encoding/json"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// bybit reads publicTrade of version 5 and trade of versions 2 and 3. Ids of
// version 5 derivatives and of version 2 are UUIDs: no hole shows in them. The
// size of an inverse contract is in quote currency.
type bybit struct {
	topic   string // what the names of topics begin with
	version int
	live    *wire.Decoder
	rest    *wire.Decoder
	id      string
}

func newBybit() dialect {
	return &bybit{
		topic: "publicTrade.", version: 5, id: "i",
		live: fields{paths: map[string]string{"symbol": "s", "price": "p", "size": "v", "ts": "T", "id": "i", "side": "S", "seq": "seq"}}.decoder(),
		rest: fields{paths: map[string]string{"symbol": "symbol", "price": "price", "size": "size", "ts": "time", "id": "execId", "side": "side", "seq": "seq"}}.decoder(),
	}
}

// newBybitV2: `trade_time_ms`, since `timestamp` is cut to seconds.
func newBybitV2() dialect {
	dec := fields{paths: map[string]string{
		"symbol": "symbol", "price": "price", "size": "size", "ts": "trade_time_ms", "id": "trade_id", "side": "side", "seq": "cross_seq",
	}}.decoder()
	return &bybit{topic: "trade.", version: 2, live: dec, rest: dec, id: "trade_id"}
}

// newBybitV3 is spot of version 3: `v` is the id, and `m` says that the buyer
// was the taker, the opposite of what Binance means by it.
func newBybitV3() dialect {
	dec := fields{paths: map[string]string{"symbol": "s", "price": "p", "size": "q", "ts": "t", "id": "v", "side": "m"}, sideOf: wire.SideOfTaker}.decoder()
	return &bybit{topic: "trade.", version: 3, live: dec, rest: dec, id: "v"}
}

func (b *bybit) frame(r *Reader, raw []byte) (Message, error) {
	m, ok := members(raw)
	if !ok {
		return Message{}, foreign("no object", raw)
	}
	topic := text(m["topic"])
	switch {
	case string(m["success"]) == "false":
		return Message{Kind: KindRefused, Text: text(m["ret_msg"])}, nil
	case present(m["op"]), present(m["success"]):
		return Message{Kind: KindControl}, nil
	case !strings.HasPrefix(topic, b.topic):
		return Message{Kind: KindUnknown}, nil
	}
	list, ok := elements(m["data"])
	if !ok {
		if _, single := members(m["data"]); !single {
			return Message{}, foreign("data is neither list nor object", raw)
		}
		list = []json.RawMessage{m["data"]}
	}
	out := Message{Kind: KindTrades, Snapshot: b.version == 3 && text(m["type"]) == "snapshot"}
	symbol := strings.TrimPrefix(topic, b.topic)
	for _, one := range list {
		out.Trades = append(out.Trades, b.trade(r, b.live, one, symbol))
	}
	return out, nil
}

func (b *bybit) trade(r *Reader, dec *wire.Decoder, raw json.RawMessage, symbol string) Trade {
	t := decode(dec, raw, symbol)
	requireID(&t, b.id)
	t.Span = 0
	if t.Reject == core.ReasonNone && !r.options.Contracts && CountsContracts("bybit", t.Symbol) {
		t.Reject, t.Field = core.ReasonSize, "size"
	}
	return t
}

func (b *bybit) page(r *Reader, symbol string, raw []byte) (Page, error) {
	m, ok := members(raw)
	if !ok {
		return Page{}, foreign("no object", raw)
	}
	if code, ok := number(m["retCode"]); !ok || code != 0 {
		return Page{}, foreign("retCode "+cut(token(m["retCode"])), raw)
	}
	list, ok := descend(m["result"], "list")
	if !ok {
		return Page{}, foreign("no list of trades", raw)
	}
	var p Page
	for _, one := range list {
		p.Trades = append(p.Trades, b.trade(r, b.rest, one, symbol))
	}
	return p, nil
}
