package feed

import (
	"context"
	"fmt"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// puller asks for what is behind a cursor, page after page, and delivers it. It
// belongs to one goroutine.
type puller struct {
	l      *live
	reader *adapter.Reader
	fetch  *fetcher
	out    *delivery
}

func newPuller(l *live, f *fetcher, d *delivery) (*puller, error) {
	r, err := l.reader()
	if err != nil {
		return nil, err
	}
	return &puller{l: l, reader: r, fetch: f, out: d}, nil
}

// maxPages bounds one turn, so that a symbol that catches up leaves the others
// theirs.
const maxPages = 20

// pull moves the cursor forward. done is false when there is more, or when
// something is held back behind a hole. The venue is asked until asking ends;
// what it has answered is delivered until ctx ends.
func (p *puller) pull(ctx, asking context.Context, symbol string, c *cursor, fence int64) (done bool, err error) {
	for range maxPages {
		more, err := p.page(ctx, asking, symbol, c, fence)
		if err != nil {
			return false, err
		}
		switch more {
		case nothingMore:
			return true, nil
		case heldBack:
			return false, nil
		case morePages:
		}
	}
	return false, nil
}

// progress is what a page leaves to be done.
type progress uint8

const (
	nothingMore progress = iota
	morePages
	heldBack
)

func (p *puller) page(ctx, asking context.Context, symbol string, c *cursor, fence int64) (progress, error) {
	l, v := p.l, &p.l.venue
	fresh := c.empty()
	address := v.PageURL(l.Fetch.Base, c.ask(symbol))
	got, err := p.fetch.get(asking, address)
	if err != nil || got.unchanged {
		return nothingMore, err
	}
	page, err := p.reader.Page(symbol, got.body)
	if err != nil {
		p.fetch.forget(address)
		l.Observer.FeedError(l.SourceName, reasonAnswer)
		return nothingMore, err
	}
	size := len(page.Trades)
	trades, err := p.asked(symbol, l.usable(page.Trades))
	if err != nil {
		p.fetch.forget(address)
		l.Observer.FeedError(l.SourceName, reasonAnswer)
		return nothingMore, err
	}
	t := c.take(trades, v.Contiguous, l.Clock.Now())
	if err := l.send(ctx, p.out, t.trades, fence); err != nil {
		p.fetch.forget(address)
		return nothingMore, err
	}
	for i := range t.trades {
		c.done(&t.trades[i])
	}
	for _, h := range t.holes {
		l.gap(symbol, gapSequence, h.from, h.to)
	}
	if t.waits {
		p.fetch.forget(address)
		return heldBack, nil
	}
	if v.Paging == adapter.PagingNone && !fresh && p.missed(size, len(trades), len(t.trades)) {
		l.gap(symbol, gapOutage, 0, 0)
	}
	if v.Paging != adapter.PagingNone && len(t.trades) > 0 && !fresh && int64(size) >= v.Limit {
		return morePages, nil
	}
	return nothingMore, nil
}

// asked drops trades of symbols that were not asked for: they would go to the
// topic under a name that nobody configured, and move the cursor of the one that
// was asked for past its own. An answer of a preset that has nothing else is an
// error: taken for an empty one it would promise that nothing has happened. One
// that a format describes may list all symbols of its venue, and where its address
// names none it does: the others are read in their own turns or not wanted, and
// nothing is wrong with them. What remains has the symbol's name as it is configured:
// a restart looks for its last trade under that.
func (p *puller) asked(symbol string, trades []adapter.Trade) ([]adapter.Trade, error) {
	generic := p.l.venue.Name == adapter.PresetGeneric
	lists := generic && !strings.Contains(p.l.Fetch.Base, "<symbol>")
	own := trades[:0]
	for i := range trades {
		if name := string(trades[i].Symbol); strings.EqualFold(name, symbol) || name == adapter.Nameless {
			trades[i].Symbol = []byte(symbol)
			own = append(own, trades[i])
			continue
		}
		if !lists {
			p.l.refuse(core.ReasonSymbol, "symbol")
		}
	}
	if len(own) == 0 && len(trades) > 0 && !generic {
		return nil, fmt.Errorf("reading the answer about %s: it is about other symbols", symbol)
	}
	return own, nil
}

// missed reports whether a full newest page holds nothing that was known: then
// more happened than the venue tells.
func (p *puller) missed(size, usable, taken int) bool {
	return p.l.venue.Limit > 0 && int64(size) >= p.l.venue.Limit && usable > 0 && taken == usable
}
