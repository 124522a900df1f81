package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Check is a Sink that holds every byte against what a node has published: the
// records of klines, with keys, headers and timestamps, by the reader rule.
type Check struct {
	parts []*checked
	found func(string)
	// Equal and Differing count the records compared.
	Equal, Differing int64
}

// checked is klines[p] with what comes next in it.
type checked struct {
	p     int32
	in    *kafka.RangeReader
	recs  []kafka.Rec
	last  wire.Position
	begun bool
	to    int64 // input offset up to which the node has certainly published
	end   int64 // where the input ends: no output can have a position behind it
	done  bool
}

// errChanged explains why bytes cannot be compared.
var errChanged = errors.New("the configuration was changed")

// Ends are what a comparison needs to know of the logs, in this order: the
// input offsets that the node has committed, the ends of klines, and those of
// the input.
type Ends struct {
	Committed map[int32]int64
	Klines    map[int32]kafka.Edges
	Input     map[int32]kafka.Edges
}

// NewCheck prepares the comparison with the topic klines. The input must be the
// whole topic. found is called with a sentence for each difference.
func NewCheck(cluster kafka.Cluster, topic string, ends Ends, in Input, found func(string)) (*Check, error) {
	edges := ends.Klines
	c := &Check{found: found}
	for p := range in.Partitions() {
		if err := provable(p, in, edges[p]); err != nil {
			c.Close()
			return nil, fmt.Errorf("comparing partition %d: %w", p, err)
		}
		r, err := kafka.OpenRange(cluster, topic, p, edges[p].Start, edges[p].End)
		if err != nil {
			c.Close()
			return nil, err
		}
		c.parts = append(c.parts, &checked{p: p, in: r, to: ends.Committed[p], end: ends.Input[p].End})
	}
	return c, nil
}

// provable tells why the bytes of a partition cannot be computed again.
func provable(p int32, in Input, e kafka.Edges) error {
	if in.Start(p) > 0 || e.Start > 0 {
		return errors.New("retention has removed the beginning of the trades or of klines: only the whole log gives the same bytes (caddy kline verify compares what is left)")
	}
	for _, d := range in.Decisions(p) {
		ops, err := wire.DecodeOps(d.Body)
		if err != nil {
			return err
		}
		for _, op := range ops {
			if op.Kind == core.OpConfig {
				return fmt.Errorf("%w before input offset %d: what was published before it has other bytes (caddy kline verify compares the content)", errChanged, d.At)
			}
		}
	}
	return nil
}

// Close ends the readers.
func (c *Check) Close() {
	for _, pt := range c.parts {
		pt.in.Close()
	}
}

// Put implements Sink.
func (c *Check) Put(ctx context.Context, p int32, outs []kafka.Out) error {
	pt := c.parts[p]
	for i := range outs {
		if outs[i].Topic != kafka.Klines {
			continue
		}
		if err := c.one(ctx, pt, &outs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Check) differ(format string, args ...any) {
	c.Differing++
	c.found(fmt.Sprintf(format, args...))
}

// one compares one output with the record of the same position.
func (c *Check) one(ctx context.Context, pt *checked, o *kafka.Out) error {
	want, err := positionOf(o.Headers)
	if err != nil {
		return err
	}
	for {
		rec, at, err := c.peek(ctx, pt)
		switch {
		case err != nil:
			return err
		case rec == nil && want.So >= pt.to: // the node has not come that far
			return nil
		case rec == nil || at.After(want):
			c.differ("partition %d, position %s, %s: missing in klines", pt.p, want, o.Key)
			return nil
		case want.After(at):
			c.differ("partition %d, position %s, %s: in klines %d and not computed again", pt.p, at, rec.Key, rec.Offset)
			pt.drop(at)
			continue
		}
		c.same(pt, rec, o, want)
		pt.drop(at)
		return nil
	}
}

// same compares the bytes.
func (c *Check) same(pt *checked, rec *kafka.Rec, o *kafka.Out, at wire.Position) {
	switch {
	case !bytes.Equal(rec.Value, o.Value):
		c.differ("partition %d, position %s, %s: klines %d has other bytes: %s, computed again: %s", pt.p, at, o.Key, rec.Offset, excerpt(rec.Value, o.Value), excerpt(o.Value, rec.Value))
	case !bytes.Equal(rec.Key, o.Key):
		c.differ("partition %d, position %s, %s: klines %d has the key %.64q", pt.p, at, o.Key, rec.Offset, rec.Key)
	case rec.Timestamp != o.Timestamp:
		c.differ("partition %d, position %s, %s: klines %d has the timestamp %d, computed again %d", pt.p, at, o.Key, rec.Offset, rec.Timestamp, o.Timestamp)
	case !sameHeaders(rec.Headers, o.Headers):
		c.differ("partition %d, position %s, %s: klines %d has other headers", pt.p, at, o.Key, rec.Offset)
	default:
		c.Equal++
	}
}

// excerpt is the part of a around the first byte in which it differs from b.
func excerpt(a, b []byte) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%.60q", a[max(0, i-16):])
}

func sameHeaders(a, b []kafka.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || !bytes.Equal(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// peek returns the next record that the reader rule keeps, nil at the end.
func (c *Check) peek(ctx context.Context, pt *checked) (*kafka.Rec, wire.Position, error) {
	for {
		if len(pt.recs) == 0 {
			if pt.done {
				return nil, wire.Position{}, nil
			}
			recs, err := pt.in.Next(ctx)
			if errors.Is(err, io.EOF) {
				pt.done = true
				continue
			}
			if err != nil {
				return nil, wire.Position{}, err
			}
			pt.recs = recs
		}
		rec := &pt.recs[0]
		at, err := positionOf(rec.Headers)
		if err != nil {
			c.differ("partition %d, klines %d: a record without a position", pt.p, rec.Offset)
		} else if !pt.begun || at.After(pt.last) {
			return rec, at, nil
		}
		pt.recs = pt.recs[1:]
	}
}

func positionOf(hs []kafka.Header) (wire.Position, error) {
	var so, sk []byte
	for i := range hs {
		switch hs[i].Key {
		case wire.HeaderOffset:
			so = hs[i].Value
		case wire.HeaderOrdinal:
			sk = hs[i].Value
		}
	}
	return wire.ParsePosition(so, sk)
}

// Flush reports what stands behind the last output.
func (c *Check) Flush(ctx context.Context) error {
	for _, pt := range c.parts {
		for {
			rec, at, err := c.peek(ctx, pt)
			if err != nil {
				return err
			}
			if rec == nil {
				break
			}
			if at.So >= pt.to && at.So <= pt.end { // not committed yet
				pt.drop(at)
				continue
			}
			c.differ("partition %d, position %s, %s: in klines %d and not computed again", pt.p, at, rec.Key, rec.Offset)
			pt.drop(at)
		}
	}
	return nil
}

// drop steps over the record that peek returned.
func (pt *checked) drop(at wire.Position) {
	pt.begun, pt.last, pt.recs = true, at, pt.recs[1:]
}

var _ Sink = (*Check)(nil)
