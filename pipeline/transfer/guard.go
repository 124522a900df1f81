package transfer

import (
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Guard ends an import at a trade that the engine would put into the topic late,
// because the symbol has newer trades: it would be in no bar. It is used by one
// goroutine.
type Guard struct {
	// Tolerance is how far a trade may be behind the newest of its symbol.
	Tolerance time.Duration
	// Newest asks the topic for the newest event time of a symbol, ns; found is
	// false if there is none among what it looks at. Nil asks nobody.
	Newest func(symbol string) (ns int64, found bool, err error)
	// Now is the time of the engine; nil leaves out what follows.
	Now func() time.Time
	// MaxFuture is how far a trade may be ahead of it.
	MaxFuture time.Duration
	// MaxAge is how old a trade may be; 0 any age.
	MaxAge time.Duration

	newest map[string]*newest
}

// newest is the newest trade of a symbol.
type newest struct {
	ns    int64
	asked bool // the topic was
}

// maxGuarded bounds the symbols whose newest time is kept.
const maxGuarded = 100_000

// check looks at one trade. again tells that an earlier run may have sent it: the
// topic, which may have it and rows behind it, is not asked. A *fault is about it
// alone.
func (g *Guard) check(t *core.Trade, again bool) error {
	if err := g.dated(t); err != nil {
		return err
	}
	last, err := g.last(t, again)
	if err != nil {
		return err
	}
	if t.EventNS < last.ns-g.Tolerance.Nanoseconds() {
		return fmt.Errorf("a trade of %s of %s, and the topic or the file has one of %s before it: the engine would put it into the topic late, it would be in no bar. Import in the order of time and before a live feed of the symbol, or into a topic of its own; --allow-late imports it all the same",
			t.Symbol, moment(t.EventNS), moment(last.ns))
	}
	last.ns = max(last.ns, t.EventNS)
	return nil
}

// dated compares a trade with the time of the engine.
func (g *Guard) dated(t *core.Trade) error {
	if g.Now != nil {
		now := g.Now().UnixNano()
		if t.EventNS > now+g.MaxFuture.Nanoseconds() {
			return faulty("ts", "%s is in the future: the engine would refuse it (max_future)", moment(t.EventNS))
		}
		if g.MaxAge > 0 && t.EventNS < now-g.MaxAge.Nanoseconds() {
			return fmt.Errorf("a trade of %s of %s is older than max_age of the configuration allows (%s): the engine would put it into the topic dlq. Leave max_age out while history is imported", t.Symbol, moment(t.EventNS), g.MaxAge)
		}
	}
	return nil
}

// last is the newest trade of the symbol of t. The topic is asked once for each
// symbol, at the first trade that no earlier run can have sent.
func (g *Guard) last(t *core.Trade, again bool) (*newest, error) {
	last := g.newest[string(t.Symbol)]
	if last == nil {
		if g.newest == nil || len(g.newest) >= maxGuarded {
			g.newest = map[string]*newest{}
		}
		last = &newest{ns: t.EventNS}
		g.newest[string(t.Symbol)] = last
	}
	if last.asked || again || g.Newest == nil {
		return last, nil
	}
	ns, found, err := g.Newest(string(t.Symbol))
	if err != nil {
		return nil, err
	}
	if found {
		last.ns = max(last.ns, ns)
	}
	last.asked = true
	return last, nil
}

func moment(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
