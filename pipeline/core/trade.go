package core

import "strconv"

// Side is the side of the taker.
type Side uint8

// Sides. An unknown side is counted, and left out of the taker-buy sums.
const (
	SideUnknown Side = iota
	SideBuy
	SideSell
)

// String returns "buy", "sell" or "".
func (s Side) String() string { return [...]string{"", "buy", "sell"}[min(s, 3)%3] }

// IDKind tells which field of a TradeID holds the id.
type IDKind uint8

// Kinds of trade ids.
const (
	IDNone IDKind = iota // the trade has no id
	IDInt                // Num
	IDText               // Text
)

// MaxTradeIDText is the longest text id, in bytes. Decoders reject longer ones.
const MaxTradeIDText = 64

// TradeID is the venue's id of a trade. A text that is a canonical int64 is
// IDInt, so "42" and 42 are the same id.
type TradeID struct {
	Kind IDKind
	Num  int64
	Text []byte
}

// NewTradeID builds the id that text means; empty text is no id. The result
// keeps text.
func NewTradeID(text []byte) TradeID {
	if len(text) == 0 {
		return TradeID{}
	}
	if n, ok := canonicalInt(text); ok {
		return TradeID{Kind: IDInt, Num: n}
	}
	return TradeID{Kind: IDText, Text: text}
}

// canonicalInt reads text if it is exactly what strconv would print for an
// int64.
func canonicalInt(text []byte) (int64, bool) {
	if len(text) > 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return 0, false
	}
	var buf [20]byte
	return n, string(strconv.AppendInt(buf[:0], n, 10)) == string(text)
}

// Trade is one trade as a decoder yields it. Its slices point into the record's
// buffer and are not kept by the engine.
type Trade struct {
	Symbol  []byte
	Price   Decimal // quote currency per unit
	Size    Decimal // base units
	EventNS int64   // event time at the venue, ns since 1970 UTC
	ID      TradeID
	Seq     int64 // venue sequence, orders trades of one EventNS
	HasSeq  bool
	Side    Side
	Reject  Reason // decoder's verdict; not ReasonNone means the trade is unusable
	Field   string // JSON field that Reject is about
}

// Record is what the step needs to know of a Kafka record.
type Record struct {
	Offset    int64
	Timestamp int64  // Kafka timestamp, ms UTC; negative means none
	Source    string // name of the feed
}

// Heartbeat is a feed's promise that no trade older than TS will follow.
type Heartbeat struct {
	Source string
	TS     int64 // ms UTC
	Up     bool  // false: the feed broke, this is its last one
}
