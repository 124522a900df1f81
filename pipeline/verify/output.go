package verify

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sort"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

type kafkaRec = kafka.Rec

// feed hands out the records of a range of a partition; io.EOF ends it.
type feed interface {
	Next(ctx context.Context) ([]kafka.Rec, error)
}

// cursor is a feed one record at a time.
type cursor struct {
	feed feed
	recs []kafka.Rec
	at   int
	done bool
}

// peek returns the next record, nil at the end.
func (c *cursor) peek(ctx context.Context) (*kafka.Rec, error) {
	for !c.done && c.at == len(c.recs) {
		recs, err := c.feed.Next(ctx)
		if errors.Is(err, io.EOF) {
			c.done = true
			break
		}
		if err != nil {
			return nil, err
		}
		c.recs, c.at = recs, 0
	}
	if c.at == len(c.recs) {
		return nil, nil
	}
	return &c.recs[c.at], nil
}

// output is a record of klines, late or dlq with its position.
type output struct {
	rec    kafka.Rec
	so, sk int64
	kind   string
}

// repeatMemory is how many positions are remembered to tell repeats with the
// same bytes from others: more than a unit, and than what lies between two
// checkpoints of most nodes.
const repeatMemory = 1 << 16

// outputs reads a topic of outputs by the reader rule.
type outputs struct {
	cursor
	place  string
	so     int64
	sk     int64
	begun  bool
	seed   maphash.Seed
	sums   []positionSum // ring, its oldest entry at oldest
	oldest int
	next   *output
	held   output
}

type positionSum struct {
	so, sk int64
	sum    uint64
}

func newOutputs(place string, f feed) *outputs {
	return &outputs{cursor: cursor{feed: f}, place: place, seed: maphash.MakeSeed()}
}

// peekOutput returns the next record that the rule keeps, nil at the end.
func (o *outputs) peekOutput(ctx context.Context, a *auditor) (*output, error) {
	for o.next == nil {
		rec, err := o.peek(ctx)
		if rec == nil || err != nil {
			return nil, err
		}
		o.at++
		if o.keep(rec, a) {
			o.next = &o.held
		}
	}
	return o.next, nil
}

// keep reads the position of a record and applies the rule.
func (o *outputs) keep(rec *kafka.Rec, a *auditor) bool {
	so, ok1 := number(rec, "so")
	sk, ok2 := number(rec, "sk")
	if (!ok1 || !ok2) && o.place == "dlq" && ofHistory(rec) {
		a.report.HistoryRefused++
		return false
	}
	if !ok1 || !ok2 {
		a.differ(&Difference{Place: o.place, Field: "foreign record", Found: "no position in its headers", From: -1, To: -1, Record: rec.Offset})
		return false
	}
	sum := o.sum(rec)
	if o.begun && (so < o.so || so == o.so && sk <= o.sk) {
		a.report.Repeats++
		o.repeated(rec, so, sk, sum, a)
		return false
	}
	o.begun, o.so, o.sk = true, so, sk
	o.remember(positionSum{so, sk, sum})
	kind, _ := rec.Header("k")
	o.held = output{rec: *rec, so: so, sk: sk, kind: string(kind)}
	return true
}

// ofHistory tells whether a record of dlq is a row that a history refused. It stands
// outside of the reader rule and says nothing about bars: taken for a foreign record
// it would make every audit fail after one row that a database does not take.
func ofHistory(rec *kafka.Rec) bool {
	reason, _ := rec.Header("reason")
	return string(reason) == "sink"
}

// remember keeps what was read at a position, in a ring.
func (o *outputs) remember(p positionSum) {
	if len(o.sums) < repeatMemory {
		o.sums = append(o.sums, p)
		return
	}
	o.sums[o.oldest] = p
	o.oldest = (o.oldest + 1) % repeatMemory
}

// repeated holds a repeat against the first record of its position: a crash
// repeats bytes, it never changes them.
func (o *outputs) repeated(rec *kafka.Rec, so, sk int64, sum uint64, a *auditor) {
	switch first := o.find(so, sk); {
	case first == nil && len(o.sums) == repeatMemory:
		a.report.unproven("repeats of positions that are long gone", 0, 1)
	case first == nil:
		a.differ(&Difference{Place: o.place, Field: "position goes back", Expected: "a repeat of what was written before", Found: string(bytes.TrimSpace(rec.Value)),
			From: so, To: so, Record: rec.Offset})
	case first.sum != sum:
		a.differ(&Difference{Place: o.place, Field: "repeat differs", Expected: "the bytes of the first record at position " + strconv.FormatInt(so, 10) + "." + strconv.FormatInt(sk, 10),
			Found: string(bytes.TrimSpace(rec.Value)), From: so, To: so, Record: rec.Offset})
	}
}

// find looks a position up; they ascend in the ring.
func (o *outputs) find(so, sk int64) *positionSum {
	at := func(i int) *positionSum { return &o.sums[(o.oldest+i)%len(o.sums)] }
	i := sort.Search(len(o.sums), func(i int) bool { return at(i).so > so || at(i).so == so && at(i).sk >= sk })
	if i == len(o.sums) || at(i).so != so || at(i).sk != sk {
		return nil
	}
	return at(i)
}

func (o *outputs) sum(rec *kafka.Rec) uint64 {
	var h maphash.Hash
	h.SetSeed(o.seed)
	_, _ = h.Write(rec.Key) // never fails
	_ = h.WriteByte(0)
	_, _ = h.Write(rec.Value)
	kind, _ := rec.Header("k")
	_, _ = h.Write(kind)
	return h.Sum64()
}

// number reads a header of decimal text.
func number(rec *kafka.Rec, key string) (int64, bool) {
	v, ok := rec.Header(key)
	if !ok {
		return 0, false
	}
	return integer(v)
}
