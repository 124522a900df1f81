package feed

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// origin is what the ticks of one answer or frame have in common.
type origin struct {
	venue, source string
	prefix        string // in front of the venue's symbols
	received      int64  // ms
	fence         int64  // 0 none
	trace         []byte // traceparent
}

// NewTrace makes a W3C trace context for one answer or frame. It is not
// sampled: nobody here records spans, whoever reads the topic may begin to.
func NewTrace() []byte {
	var id [24]byte
	_, _ = rand.Read(id[:]) // it never fails
	b := append(make([]byte, 0, 55), "00-"...)
	b = hex.AppendEncode(b, id[:16])
	b = hex.AppendEncode(append(b, '-'), id[16:])
	return append(b, "-00"...)
}

// record makes a record of a trade. Nothing of it points into the trade.
func (o *origin) record(t *adapter.Trade) Record {
	tr := t.Trade
	if o.prefix != "" {
		tr.Symbol = append([]byte(o.prefix), tr.Symbol...)
	}
	key := append([]byte(nil), tr.Symbol...)
	r := Record{
		Key: key, Value: wire.AppendTrade(nil, &tr), Timestamp: o.received, Partition: Keyed,
		Headers: []Header{
			{Key: wire.HeaderContentType, Value: []byte(wire.ContentTrade)},
			{Key: wire.HeaderSource, Value: []byte(o.source)},
			{Key: wire.HeaderReceived, Value: strconv.AppendInt(nil, o.received, 10)},
			{Key: wire.HeaderVenue, Value: []byte(o.venue)},
			{Key: wire.HeaderTrace, Value: o.trace},
		},
	}
	if id := MessageID(o.source, &tr); id != nil {
		r.Headers = append(r.Headers, Header{Key: wire.HeaderMessageID, Value: id})
	}
	if o.fence > 0 {
		r.Headers = append(r.Headers, Header{Key: wire.HeaderFence, Value: strconv.AppendInt(nil, o.fence, 10)})
	}
	return r
}

// MessageID names a trade in logs, traces and caches: source|symbol|id. It is
// nil for a trade without an id.
func MessageID(source string, t *core.Trade) []byte {
	if t.ID.Kind == core.IDNone {
		return nil
	}
	b := append(append(append([]byte(source), '|'), t.Symbol...), '|')
	if t.ID.Kind == core.IDInt {
		return strconv.AppendInt(b, t.ID.Num, 10)
	}
	return append(b, t.ID.Text...)
}

// messageID is the header of that name.
func (r *Record) messageID() string {
	for i := range r.Headers {
		if r.Headers[i].Key == wire.HeaderMessageID {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}
