package adapter

import (
	"encoding/json"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// kraken reads version 2 of the stream. Prices are JSON numbers: their text is
// kept, a float would round it.
type kraken struct {
	dec  *wire.Decoder
	list *krakenList
}

func newKraken() dialect {
	return &kraken{
		dec: fields{paths: map[string]string{
			"symbol": "symbol", "price": "price", "size": "qty", "ts": "timestamp", "id": "trade_id", "side": "side",
		}, unit: wire.UnitRFC3339}.decoder(),
		list: newKrakenList(),
	}
}

func (k *kraken) frame(_ *Reader, raw []byte) (Message, error) {
	m, ok := members(raw)
	if !ok {
		return Message{}, foreign("no object", raw)
	}
	channel := text(m["channel"])
	switch {
	case string(m["success"]) == "false":
		return Message{Kind: KindRefused, Text: text(m["error"])}, nil
	case present(m["method"]), channel == "heartbeat", channel == "status", channel == "pong":
		return Message{Kind: KindControl}, nil
	case channel != "trade":
		return Message{Kind: KindUnknown}, nil
	}
	list, ok := elements(m["data"])
	if !ok {
		return Message{}, foreign("data is no list", raw)
	}
	out := Message{Kind: KindTrades, Snapshot: text(m["type"]) == "snapshot"}
	for _, one := range list {
		t := decode(k.dec, one, "")
		requireInt(&t, "trade_id")
		e, _ := members(one)
		named(&t, e, "symbol")
		out.Trades = append(out.Trades, t)
	}
	return out, nil
}

func (k *kraken) page(_ *Reader, symbol string, raw []byte) (Page, error) {
	return k.list.page(symbol, raw)
}

// krakenV1 reads version 1: lists without names and without trade ids.
type krakenV1 struct{ list *krakenList }

func newKrakenV1() dialect { return &krakenV1{newKrakenList()} }

func (k *krakenV1) frame(_ *Reader, raw []byte) (Message, error) {
	if m, isObject := members(raw); isObject {
		if text(m["status"]) == "error" {
			return Message{Kind: KindRefused, Text: text(m["errorMessage"])}, nil
		}
		if present(m["event"]) {
			return Message{Kind: KindControl}, nil
		}
		return Message{Kind: KindUnknown}, nil
	}
	list, ok := elements(raw)
	if !ok {
		return Message{}, foreign("neither object nor list", raw)
	}
	if len(list) < 4 || text(list[len(list)-2]) != "trade" {
		return Message{Kind: KindUnknown}, nil
	}
	symbol := text(list[len(list)-1])
	rows, ok := elements(list[1])
	if !ok {
		return Message{}, foreign("no list of trades", raw)
	}
	out := Message{Kind: KindTrades}
	for _, row := range rows {
		out.Trades = append(out.Trades, k.list.row(row, symbol, false))
	}
	derive(out.Trades)
	return out, nil
}

// page refuses: answers have ids and finer times, so that a trade of the stream
// could not be recognised in one. The preset kraken reads them.
func (*krakenV1) page(_ *Reader, _ string, raw []byte) (Page, error) {
	return Page{}, foreign("version 1 has no answers", raw)
}

// krakenList reads [price, volume, seconds, side, kind, misc, id], of which the
// stream has the first six. Seconds have a fraction and are, over HTTP, a JSON
// number.
type krakenList struct{ dec *wire.Decoder }

func newKrakenList() *krakenList {
	return &krakenList{wire.NewDecoder(&wire.Mapping{TimeUnit: wire.UnitSeconds})}
}

func (k *krakenList) row(raw json.RawMessage, symbol string, withID bool) Trade {
	bad := Trade{Trade: core.Trade{Reject: core.ReasonDecode}}
	row, ok := elements(raw)
	if !ok || len(row) < 5 || withID && len(row) < 7 {
		return bad
	}
	var texts [wire.NumFields][]byte
	texts[wire.FieldSymbol] = []byte(symbol)
	texts[wire.FieldPrice] = []byte(token(row[0]))
	texts[wire.FieldSize] = []byte(token(row[1]))
	texts[wire.FieldTS] = []byte(token(row[2]))
	switch text(row[3]) {
	case "b":
		texts[wire.FieldSide] = []byte("buy")
	case "s":
		texts[wire.FieldSide] = []byte("sell")
	}
	if withID {
		texts[wire.FieldID] = []byte(token(row[6]))
	}
	t := Trade{Trade: k.dec.Row(&texts)}
	if withID {
		t.Span = 1
		requireInt(&t, "trade_id")
	}
	return t
}

func (k *krakenList) page(symbol string, raw []byte) (Page, error) {
	m, ok := members(raw)
	if !ok {
		return Page{}, foreign("no object", raw)
	}
	if errs, _ := elements(m["error"]); len(errs) > 0 {
		return Page{}, foreign("an error", raw)
	}
	result, ok := members(m["result"])
	if !ok || !present(result["last"]) {
		return Page{}, foreign("no result", raw)
	}
	var p Page
	for name, rows := range result {
		if name == "last" {
			continue
		}
		list, ok := elements(rows)
		if !ok || len(result) > 2 {
			return Page{}, foreign("not the trades of one pair", raw)
		}
		for _, row := range list {
			p.Trades = append(p.Trades, k.row(row, symbol, true))
		}
	}
	return p, nil
}
