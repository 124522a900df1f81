package postgres

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// What came within the last batches is known, and nothing else is taken for it.
func TestTradesThatCameLatelyAreKnown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r recent
		came := map[string]bool{}
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			trades := rapid.SliceOfN(rapid.Custom(drawTrade), 0, 60).Draw(t, "trades")
			fresh, seen := r.split(trades)
			var wantFresh, wantSeen []int
			for i := range trades {
				if name := fmt.Sprintf("%s %s", trades[i].Symbol, trades[i].AppendID(nil)); came[name] {
					wantSeen = append(wantSeen, i)
				} else {
					came[name] = true
					wantFresh = append(wantFresh, i)
				}
			}
			if !slices.Equal(fresh, wantFresh) || !slices.Equal(seen, wantSeen) {
				t.Fatalf("new are %v, want %v; known %v, want %v", fresh, wantFresh, seen, wantSeen)
			}
		}
		r.forget()
		if _, seen := r.split([]history.Trade{drawTrade(t)}); len(seen) > 0 {
			t.Fatal("what was forgotten is known")
		}
	})
}

// drawTrade has few symbols and ids, some of which look alike when they are joined.
func drawTrade(t *rapid.T) history.Trade {
	tr := history.Trade{Trade: core.Trade{Symbol: []byte(rapid.SampledFrom([]string{"A", "A1", "A11"}).Draw(t, "symbol"))}}
	switch n := rapid.Int64Range(0, 30).Draw(t, "id"); rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		tr.ID = core.TradeID{Kind: core.IDInt, Num: n}
	case 1:
		tr.ID = core.TradeID{Kind: core.IDText, Text: fmt.Appendf(nil, "x%d", n)}
	default: // no id: its place
		tr.Origin = history.Origin{P: 1, Offset: n}
	}
	return tr
}

// More trades than there is room for cost the memory of the oldest, and no more room.
func TestWhatIsRememberedOfTradesIsBounded(t *testing.T) {
	const room = recentSets * recentWays
	var r recent
	trades := make([]history.Trade, 2*room)
	for i := range trades {
		trades[i].Trade = core.Trade{Symbol: []byte("A"), ID: core.TradeID{Kind: core.IDInt, Num: int64(i)}}
	}
	if fresh, _ := r.split(trades); len(fresh) != len(trades) {
		t.Errorf("%d of %d are new", len(fresh), len(trades))
	}
	if len(r.sets) != recentSets {
		t.Errorf("%d sets", len(r.sets))
	}
	// Of the newest every single one is known: one that is not sends its batch by the
	// staging table.
	if _, seen := r.split(trades[len(trades)-room/32:]); len(seen) != room/32 {
		t.Errorf("of the last %d trades %d are known", room/32, len(seen))
	}
	if _, seen := r.split(trades[:1000]); len(seen) > 100 {
		t.Errorf("of the oldest 1000 trades %d are known", len(seen))
	}
}
