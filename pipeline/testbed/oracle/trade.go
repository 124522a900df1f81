package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Trade is one trade with the place it was read from.
type Trade struct {
	Symbol      string
	Price, Size decimal
	EventNS     int64  // event time, ns since 1970
	ID          string // JSON text: 17, "a1", or empty for none
	Side        string // buy, sell: the taker's; else unknown
	Seq         int64
	Place       Place
}

// Place is where a trade stands in the input: an array in one record has several, told apart by Index.
type Place struct {
	Partition int32
	Offset    int64
	Index     int
}

// Input collects the trades of a topic. The zero value is ready to use.
type Input struct {
	Trades     []Trade
	Heartbeats int
	Bad        map[Place]error // what is no valid trade: the pipeline has to refuse it too
}

// Add reads the trades of one record in the generic JSON form, one object or an array of them.
func (in *Input) Add(record Record) error {
	if record.Headers["k"] == "hb" {
		in.Heartbeats++
		return nil
	}
	if in.Bad == nil {
		in.Bad = map[Place]error{}
	}
	place := Place{record.Partition, record.Offset, 0}
	if record.Payload == nil {
		in.Bad[place] = errors.New("reading a trade: no value")
		return nil
	}
	for index, text := range split(*record.Payload) {
		place.Index = index
		trade, err := parseTrade(text)
		if err != nil {
			in.Bad[place] = err
			continue
		}
		trade.Place = place
		in.Trades = append(in.Trades, trade)
	}
	return nil
}

// split returns the elements of an array, or the text itself.
func split(payload string) []json.RawMessage {
	var list []json.RawMessage
	if strings.HasPrefix(strings.TrimSpace(payload), "[") && json.Unmarshal([]byte(payload), &list) == nil {
		return list
	}
	return []json.RawMessage{json.RawMessage(payload)}
}

func parseTrade(text []byte) (Trade, error) {
	var wire struct {
		Symbol string          `json:"symbol"`
		Price  Text            `json:"price"`
		Size   Text            `json:"size"`
		TS     json.Number     `json:"ts"`
		TN     int64           `json:"tn"`
		ID     json.RawMessage `json:"id"`
		Side   string          `json:"side"`
		Seq    int64           `json:"seq"`
		Op     string          `json:"op"`
	}
	if err := json.Unmarshal(text, &wire); err != nil {
		return Trade{}, fmt.Errorf("reading a trade: %w", err)
	}
	if wire.Op != "" && wire.Op != "new" {
		return Trade{}, fmt.Errorf("reading a trade: the oracle knows no %.20q", wire.Op)
	}
	if wire.Symbol == "" {
		return Trade{}, errors.New("reading a trade: no symbol")
	}
	price, err := parseDecimal(string(wire.Price))
	if err != nil || price.unscaled.Sign() <= 0 {
		return Trade{}, fmt.Errorf("reading the price %.40q: not a positive decimal: %w", wire.Price, err)
	}
	size, err := parseDecimal(string(wire.Size))
	if err != nil || size.unscaled.Sign() <= 0 {
		return Trade{}, fmt.Errorf("reading the size %.40q: not a positive decimal: %w", wire.Size, err)
	}
	ms, err := strconv.ParseInt(wire.TS.String(), 10, 64)
	if err != nil || wire.TN < 0 || wire.TN > 999_999 {
		return Trade{}, fmt.Errorf("reading the time %.20q: %w", wire.TS, err)
	}
	id := string(wire.ID)
	if id == "null" {
		id = ""
	}
	return Trade{Symbol: wire.Symbol, Price: price, Size: size, EventNS: ms*1_000_000 + wire.TN, ID: id, Side: wire.Side, Seq: wire.Seq}, nil
}

// Text is a JSON string or number as its bare text, so that a decimal never passes through a float.
type Text string

// UnmarshalJSON takes the text of a string or of a number; null is empty.
func (t *Text) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		var plain string
		if err := json.Unmarshal(text, &plain); err != nil {
			return fmt.Errorf("reading text: %w", err)
		}
		*t = Text(plain)
		return nil
	}
	*t = Text(text)
	if string(text) == "null" {
		*t = ""
	}
	return nil
}
