package pipeline

import (
	"bytes"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// maxDeadLetter bounds what is kept of a record that could not be used,
	// bytes. A record as large as the broker takes would not fit any more once
	// it has our headers; a refused send ends the incarnation, and the next one
	// meets the same record again.
	maxDeadLetter = 64 << 10
	// maxDeadKey bounds its key, bytes.
	maxDeadKey = 1 << 10
	// maxLetters bounds what the refused trades of one record repeat of it, bytes:
	// 4,096 trades in 64 KiB would make 256 MiB, all of one position, which no
	// transaction may divide.
	maxLetters = 1 << 20
)

// unit is what is written together: the outputs of some records and, now and
// then, the checkpoint that contains them.
type unit struct {
	kafka.Unit
	arena    arena
	borrowed int // bytes of records in Outs
}

// size is what the unit holds, in bytes.
func (u *unit) size() int { return u.arena.size() + u.borrowed }

func (u *unit) reset(p int32) {
	clear(u.Outs)
	if cap(u.Outs) > 4*unitLimit {
		u.Outs = nil
	}
	u.Unit = kafka.Unit{P: p, Outs: u.Outs[:0], To: midway, Decisions: u.Decisions[:0]}
	u.arena.reset()
	u.borrowed = 0
}

// letters counts what was repeated of a record, at the position so.
type letters struct {
	so    int64
	bytes int
}

// whole tells whether one more may repeat all of a record with n bytes. It depends
// on the record alone: the same trades give the same bytes after a crash.
func (l *letters) whole(so int64, n int) bool {
	if so != l.so {
		l.so, l.bytes = so, 0
	}
	l.bytes += min(n, maxDeadLetter)
	return l.bytes <= maxLetters
}

// ordinals numbers the outputs of one position: those of a decision come
// before those of the record with the same offset, numbers running on.
type ordinals struct {
	so   int64
	next int64
}

func (o *ordinals) take(so int64) int64 {
	if so != o.so {
		o.so, o.next = so, 0
	}
	n := o.next
	o.next++
	return n
}

// kline appends the record of a closed or restated bar with its values.
func (u *unit) kline(k *core.Kline, values []wire.Value, sk, timestamp int64) {
	key := u.arena.bytes(func(b []byte) []byte { return wire.AppendKlineKey(b, k.Symbol, k.Interval, k.OpenTime) })
	value := u.arena.bytes(func(b []byte) []byte { return wire.AppendKline(b, k, values) })
	h := u.position(1, k.So, sk)
	h[2] = kafka.Header{Key: wire.HeaderContentType, Value: contentKline}
	u.Outs = append(u.Outs, kafka.Out{Topic: kafka.Klines, Key: key, Value: value, Headers: h, Timestamp: timestamp})
}

var (
	contentKline = []byte(wire.ContentKline)
	kindValues   = []byte(wire.KindRestated)
)

// valuesPerRecord is the most points one record of restated values carries.
const valuesPerRecord = 1000

// values appends the restated values of one instance, in parts if they are
// many.
func (u *unit) values(k *core.Kline, in *Instance, r *restated, ord *ordinals, timestamp int64) int {
	parts := (len(r.T) + valuesPerRecord - 1) / valuesPerRecord
	for p := range parts {
		from, to := p*valuesPerRecord, min((p+1)*valuesPerRecord, len(r.T))
		cols := make([][]float64, len(r.V))
		for c := range cols {
			cols[c] = r.V[c][from:to]
		}
		key := u.arena.bytes(func(b []byte) []byte { return wire.AppendKlineKey(b, k.Symbol, k.Interval, k.OpenTime) })
		value := u.arena.bytes(func(b []byte) []byte {
			return wire.AppendRestated(b, k.Symbol, k.Interval, in.Name, k.Rev, r.Seq, string(k.Why), in.Version, r.T[from:to], cols, in.Outputs)
		})
		extra := 2
		if parts > 1 {
			extra = 3
		}
		h := u.position(extra, k.So, ord.take(k.So))
		h[2] = kafka.Header{Key: wire.HeaderContentType, Value: contentKline}
		h[3] = kafka.Header{Key: wire.HeaderKind, Value: kindValues}
		if parts > 1 {
			h[4] = kafka.Header{Key: wire.HeaderPart, Value: []byte(strconv.Itoa(p+1) + "/" + strconv.Itoa(parts))}
		}
		u.Outs = append(u.Outs, kafka.Out{Topic: kafka.Klines, Key: key, Value: value, Headers: h, Timestamp: timestamp})
	}
	return parts
}

// diverted appends a trade or record that went to `late` or `dlq`: the
// original bytes if they are wanted, with the reason and the place it came from.
func (u *unit) diverted(d *core.Diverted, rec *kafka.Rec, p int32, sk int64, whole bool) {
	out := kafka.Out{Topic: kafka.Late, Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp}
	if d.Dead {
		out.Topic = kafka.DLQ
	}
	switch {
	case !whole:
		out.Value = []byte{} // not nil: it is no tombstone
	case len(out.Value) > maxDeadLetter:
		out.Value = bytes.Clone(out.Value[:maxDeadLetter]) // or all of it would stay in memory
	}
	out.Key = out.Key[:min(len(out.Key), maxDeadKey)]
	if d.Symbol != "" {
		out.Key = []byte(d.Symbol)
	}
	h := u.position(5, d.So, sk)
	h[2] = kafka.Header{Key: wire.HeaderReason, Value: []byte(d.Reason.String())}
	h[3] = kafka.Header{Key: wire.HeaderField, Value: []byte(d.Field)}
	h[4] = kafka.Header{Key: wire.HeaderPartition, Value: strconv.AppendInt(nil, int64(p), 10)}
	h[5] = kafka.Header{Key: wire.HeaderIndex, Value: strconv.AppendInt(nil, int64(d.Index), 10)}
	h[6] = kafka.Header{Key: wire.HeaderSymbol, Value: []byte(d.Symbol)}
	out.Headers = h
	u.Outs = append(u.Outs, out)
	u.borrowed += len(out.Value) + len(out.Key)
}

// position returns 2+extra headers, the first two naming the position.
func (u *unit) position(extra int, so, sk int64) []kafka.Header {
	h := u.arena.header(2 + extra)
	h[0] = kafka.Header{Key: wire.HeaderOffset, Value: u.arena.bytes(func(b []byte) []byte { return strconv.AppendInt(b, so, 10) })}
	h[1] = kafka.Header{Key: wire.HeaderOrdinal, Value: u.arena.bytes(func(b []byte) []byte { return strconv.AppendInt(b, sk, 10) })}
	return h
}
