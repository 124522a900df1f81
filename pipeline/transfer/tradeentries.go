package transfer

import "github.com/caddy-kline/caddy-kline/pipeline/core"

// tradeEntries turns rows into records of trades.
type tradeEntries struct {
	*tradeReader
	headers TradeHeaders
	sent    int64 // rows that an earlier run may have sent
}

func newTradeEntries(cfg *Config, s *state, h TradeHeaders) (*tradeEntries, error) {
	t, err := newTradeReader(cfg, s.File, s.ID)
	if err != nil {
		return nil, err
	}
	return &tradeEntries{tradeReader: t, headers: h, sent: s.Sent}, nil
}

// add implements entryReader.
func (t *tradeEntries) add(r *row, b *Batch) (int64, error) {
	trades, err := t.read(r)
	if err != nil {
		return 0, err
	}
	if g := t.cfg.Guard; g != nil {
		for i := range trades {
			if err := g.check(&trades[i], r.n <= t.sent); err != nil {
				return 0, err
			}
		}
	}
	now := t.cfg.Clock.Now().UnixMilli()
	for i := range trades {
		b.add(&trades[i], &t.headers, now)
		if trades[i].Side == core.SideUnknown {
			t.unsided++
		}
	}
	return int64(len(trades)), nil
}

func (t *tradeEntries) unitName() string {
	if !t.dated {
		return ""
	}
	return t.unit.name()
}

func (t *tradeEntries) setUnit(name string) { t.unit.restore(name) }
func (t *tradeEntries) derivedIDs() int64   { return t.derived }
func (t *tradeEntries) unknownSides() int64 { return t.unsided }

var (
	_ entryReader = (*tradeEntries)(nil)
	_ entryReader = (*barReader)(nil)
)
