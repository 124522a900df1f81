//go:build synctests

package sim

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The recount knows trades, time and arithmetic, and nothing of the engine: it
// reads the input as JSON, believes the topics late and dlq only where it can
// see the reason itself, and adds up every bar from its trades.

func milli(ms int64) time.Time { return time.UnixMilli(ms) }

// fill is a trade as it stands in the input.
type fill struct {
	Symbol, Price, Size, Side string
	TS, ID                    int64
}

// bar is what a kline has to say, exactly.
type bar struct {
	O, H, L, C, V, QV, BV, BQV *big.Rat
	N                          int64
	First, Last                int64
	firstTS, lastTS            int64
}

// barKey names a bar.
type barKey struct {
	sym, itv string
	t        int64
}

// tradeKey is a trade's place in the input.
type tradeKey struct {
	so  int64
	idx int
}

// recount is the truth about one partition.
type recount struct {
	bars     map[barKey]*bar
	diverted map[tradeKey]string // reasons found in late and dlq
	seen     map[string]fill     // accepted trades by symbol and id

	heartbeats, undecodable, trades                  int64
	accepted, duplicate, late, rejected, tradeRecord int64
}

func newRecount(late, dlq []*kgo.Record) (*recount, error) {
	c := &recount{bars: map[barKey]*bar{}, diverted: map[tradeKey]string{}, seen: map[string]fill{}}
	for _, r := range append(append([]*kgo.Record(nil), late...), dlq...) {
		so, err1 := strconv.ParseInt(header(r, "so"), 10, 64)
		idx, err2 := strconv.Atoi(header(r, "idx"))
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("a record of %s names no place: %v", r.Topic, r.Headers)
		}
		at := tradeKey{so, idx}
		if c.diverted[at] != "" {
			return nil, fmt.Errorf("trade %v was diverted twice", at)
		}
		c.diverted[at] = r.Topic + "/" + header(r, "reason")
	}
	return c, nil
}

// take adds one record of the input.
func (c *recount) take(r *kgo.Record) error {
	if header(r, "k") == "hb" {
		c.heartbeats++
		return nil
	}
	var many []fill
	if err := json.Unmarshal(r.Value, &many); err != nil {
		many = make([]fill, 1)
		if err := json.Unmarshal(r.Value, &many[0]); err != nil {
			c.undecodable++
			return c.want(tradeKey{r.Offset, 0}, "dlq/decode")
		}
	}
	c.tradeRecord++
	for i, f := range many {
		c.trades++
		if err := c.one(r, tradeKey{r.Offset, i}, f); err != nil {
			return err
		}
	}
	return nil
}

// want takes note of a diverted trade.
func (c *recount) want(at tradeKey, reason string) error {
	if got := c.diverted[at]; got != reason {
		return fmt.Errorf("trade %v should be in %s and is in %q", at, reason, got)
	}
	delete(c.diverted, at)
	return nil
}

func (c *recount) one(r *kgo.Record, at tradeKey, f fill) error {
	now := r.Timestamp.UnixMilli()
	id := f.Symbol + "/" + strconv.FormatInt(f.ID, 10)
	first, known := c.seen[id]
	switch {
	case f.Price == "" || f.Price == "0":
		c.rejected++
		return c.want(at, "dlq/price")
	case f.TS > now+engineConfig().MaxFuture.Milliseconds():
		c.rejected++
		return c.want(at, "dlq/future")
	case known && (first.Price != f.Price || first.Size != f.Size):
		c.rejected++
		return c.want(at, "dlq/conflict")
	case known:
		c.duplicate++
		return nil
	case c.diverted[at] == "late/too_late":
		c.late++
		delete(c.diverted, at)
		if header(r, "src") == "old" {
			return nil // its first records may be read before it is known to be a replay
		}
		if end := f.TS - f.TS%1000 + 1000; end+engineConfig().AllowedLateness.Milliseconds() > now {
			return fmt.Errorf("trade %v of %d, written at %d, was called too late", at, f.TS, now)
		}
		return nil
	case c.diverted[at] != "":
		return fmt.Errorf("nothing is wrong with trade %v, it is in %s", at, c.diverted[at])
	}
	c.seen[id] = f
	c.accepted++
	for _, itv := range []struct {
		name string
		ms   int64
	}{{"1s", 1000}, {"5s", 5000}, {"15s", 15_000}} {
		if err := c.add(barKey{f.Symbol, itv.name, f.TS - f.TS%itv.ms}, f); err != nil {
			return err
		}
	}
	return nil
}

func rat(s string) (*big.Rat, error) {
	x, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("%q is no number", s)
	}
	return x, nil
}

// add puts a trade into a bar. Open and close are by time, then id.
func (c *recount) add(key barKey, f fill) error {
	price, err := rat(f.Price)
	if err != nil {
		return err
	}
	size, err := rat(f.Size)
	if err != nil {
		return err
	}
	value := new(big.Rat).Mul(price, size)
	b := c.bars[key]
	if b == nil {
		b = &bar{O: price, H: price, L: price, C: price, First: f.ID, Last: f.ID, firstTS: f.TS, lastTS: f.TS}
		b.V, b.QV, b.BV, b.BQV = new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat)
		c.bars[key] = b
	}
	if f.TS < b.firstTS || f.TS == b.firstTS && f.ID < b.First {
		b.O, b.First, b.firstTS = price, f.ID, f.TS
	}
	if f.TS > b.lastTS || f.TS == b.lastTS && f.ID > b.Last {
		b.C, b.Last, b.lastTS = price, f.ID, f.TS
	}
	if price.Cmp(b.H) > 0 {
		b.H = price
	}
	if price.Cmp(b.L) < 0 {
		b.L = price
	}
	b.N++
	b.V.Add(b.V, size)
	b.QV.Add(b.QV, value)
	if f.Side == "buy" {
		b.BV.Add(b.BV, size)
		b.BQV.Add(b.BQV, value)
	}
	return nil
}
