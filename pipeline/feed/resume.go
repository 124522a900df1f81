package feed

import (
	"context"
	"errors"
	"io"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// place is where a replay goes on. Rows are counted over all loops: row r of
// loop k has the number k x rows + r, from 0.
type place struct {
	// from is the first row that is looked at: rows below it are on the log.
	from int64
	// next is the first row that is paced; rows between from and next are sent
	// at once if their id is above the last of their symbol.
	next int64
	// last is the newest id per symbol on the log.
	last map[string]int64
	// event is the newest event time on the log, ms; 0 none.
	event int64
}

// fresh reports whether the log holds no trade of the file's symbols.
func (p *place) fresh() bool { return len(p.last) == 0 }

// sent reports whether a trade is already on the log.
func (p *place) sent(symbol []byte, id int64) bool {
	last, found := p.last[string(symbol)]
	return found && id <= last
}

// findPlace asks the topic for the last trade of every symbol of the file and
// looks up its row.
func (r *Replay) findPlace(ctx context.Context, s *survey) (*place, error) {
	p := &place{last: map[string]int64{}}
	for _, symbol := range s.symbols {
		var id, event int64
		var found bool
		err := r.retry(ctx, "lookup", func() (err error) {
			id, event, found, err = r.out.LastTrade(ctx, symbol)
			return err
		})
		if err != nil {
			return nil, err
		}
		if found {
			p.last[symbol] = id
			p.event = max(p.event, event)
		}
	}
	if p.fresh() {
		return p, nil
	}
	reached := make(map[string]int64, len(p.last))
	for symbol, id := range p.last {
		if id >= s.lowest {
			reached[symbol] = id
		}
	}
	row, err := r.furthest(s, reached)
	if err != nil {
		return nil, err
	}
	p.next = row + 1
	// Only one batch is ever unacknowledged, so what a crash can have torn lies
	// in the last batch before the furthest row.
	p.from = max(0, p.next-maxBatch)
	return p, nil
}

// furthest returns the highest row whose id is on the log, -1 if none is.
func (r *Replay) furthest(s *survey, reached map[string]int64) (int64, error) {
	row := int64(-1)
	within := make(map[string]int64, len(reached)) // id inside its loop
	for symbol, id := range reached {
		loop := (id - s.lowest) / s.shift
		within[symbol] = id - loop*s.shift
		// All loops before this one are complete.
		row = max(row, loop*s.rows-1)
	}
	in, err := openRows(&r.cfg)
	if err != nil {
		return 0, err
	}
	defer in.close()
	var t core.Trade
	for n := int64(0); ; n++ {
		_, err := in.next(&t)
		if errors.Is(err, io.EOF) {
			return row, nil
		}
		if err != nil {
			return 0, err
		}
		id, found := within[string(t.Symbol)]
		if found && s.id(&t, n+1) <= id {
			loop := (reached[string(t.Symbol)] - s.lowest) / s.shift
			row = max(row, loop*s.rows+n)
		}
	}
}
