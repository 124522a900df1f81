package feed

import (
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// recentIDs is how many ids of a symbol are remembered where they say nothing
// about order: two of the largest pages.
const recentIDs = 2048

// holePatience is how long a missing id may still turn up: venues give answers
// from several machines.
const holePatience = 5 * time.Second

// cursor is how far a feed is with one symbol.
type cursor struct {
	lastID  int64 // the highest id up to which all are delivered or given up
	hasID   bool
	eventNS int64 // newest event time delivered
	// known are the ids delivered lately, in a ring; for venues whose ids do
	// not go up.
	known map[string]bool
	ring  []string
	at    int
	// missing is the first id of a hole that is waited for since then.
	missing int64
	since   time.Time
}

// seed sets what the topic knows.
func (c *cursor) seed(t LastTrade) {
	c.eventNS = max(c.eventNS, t.EventNS)
	switch t.ID.Kind {
	case core.IDInt:
		if !c.hasID || t.ID.Num > c.lastID {
			c.lastID, c.hasID = t.ID.Num, true
		}
		// Of a venue whose integers do not go up it is known like any text, or a page
		// that holds it looks as if nothing of it had been there before.
		c.remember(strconv.FormatInt(t.ID.Num, 10))
	case core.IDText:
		c.remember(string(t.ID.Text))
	case core.IDNone:
	}
}

// empty reports whether nothing of the symbol was ever delivered.
func (c *cursor) empty() bool { return !c.hasID && len(c.known) == 0 && c.eventNS == 0 }

// ask is the next question.
func (c *cursor) ask(symbol string) adapter.Ask {
	a := adapter.Ask{Symbol: symbol, LastID: c.lastID, HasID: c.hasID}
	if c.eventNS > 0 {
		// A moment earlier: more trades of the same one may have come since, and
		// the mark that a venue gives for the next question lies behind them.
		a.Since = c.eventNS - 1
	}
	return a
}

func (c *cursor) remember(id string) {
	if c.known == nil {
		c.known = map[string]bool{}
	}
	if c.known[id] {
		return
	}
	if len(c.ring) < recentIDs {
		c.ring = append(c.ring, id)
	} else {
		delete(c.known, c.ring[c.at])
		c.ring[c.at] = id
		c.at = (c.at + 1) % recentIDs
	}
	c.known[id] = true
}

// isNew reports whether a trade was not delivered yet.
func (c *cursor) isNew(t *adapter.Trade) bool {
	switch t.ID.Kind {
	case core.IDInt:
		if t.Span > 0 {
			return !c.hasID || t.ID.Num > c.lastID
		}
		return !c.known[strconv.FormatInt(t.ID.Num, 10)]
	case core.IDText:
		return !c.known[string(t.ID.Text)]
	case core.IDNone:
	}
	return true
}

// restartTime is how much younger than all others a trade with an id of before must be
// to be another one: what a venue repeats is older.
const restartTime = time.Minute

// wentBack reports whether a trade that is not new by its id is by its time: the
// venue has begun its ids anew.
func (c *cursor) wentBack(t *adapter.Trade) bool {
	return t.Span > 0 && c.hasID && t.ID.Num <= c.lastID && c.eventNS > 0 && t.EventNS-c.eventNS > int64(restartTime)
}

// done notes a delivered trade.
func (c *cursor) done(t *adapter.Trade) {
	c.eventNS = max(c.eventNS, t.EventNS)
	switch {
	case t.ID.Kind == core.IDInt && t.Span > 0:
		if !c.hasID || t.ID.Num > c.lastID {
			c.lastID, c.hasID = t.ID.Num, true
		}
	case t.ID.Kind == core.IDInt:
		c.remember(strconv.FormatInt(t.ID.Num, 10))
		if !c.hasID || t.ID.Num > c.lastID {
			c.lastID, c.hasID = t.ID.Num, true
		}
	case t.ID.Kind == core.IDText:
		c.remember(string(t.ID.Text))
	}
}

// hole is ids that did not come.
type hole struct{ from, to int64 }

// taken is what of a page can be delivered now.
type taken struct {
	trades []adapter.Trade
	// holes are the ids between them that are given up.
	holes []hole
	// waits tells that trades of the page are held back behind a hole that may
	// still be filled.
	waits bool
}

// take sorts out of a page what is new, in order. Where ids have no holes
// (contiguous), it waits for one that is missing until it has become old, or the
// trade behind it is old beside the newest of the page: our clock is not the
// venue's, and one that is ahead would give up at first sight.
func (c *cursor) take(page []adapter.Trade, contiguous bool, now time.Time) taken {
	var out taken
	newest := int64(0)
	for i := range page {
		newest = max(newest, page[i].EventNS)
	}
	last, follows := c.lastID, c.hasID
	for i := range page {
		t := &page[i]
		if !c.isNew(t) || follows && t.Span > 0 && t.ID.Num <= last {
			continue
		}
		if contiguous && follows && t.First() > last+1 {
			if c.missing != last+1 {
				c.missing, c.since = last+1, now
			}
			if now.Sub(c.since) < holePatience && time.Duration(newest-t.EventNS) < holePatience {
				out.waits = true
				return out
			}
			out.holes = append(out.holes, hole{last + 1, t.First() - 1})
		}
		out.trades = append(out.trades, *t)
		if t.Span > 0 {
			last, follows = t.ID.Num, true
		}
	}
	return out
}
