package serve

import (
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// closedBars reads the closed bars in memory as numbers. The caller holds mu.
func (g *group) closedBars() []core.Bar {
	out := make([]core.Bar, g.bars.len())
	for i := range out {
		out[i] = readBar(g.bars.row(i))
	}
	return out
}

// readBar reads a row that appendKline wrote.
func readBar(row []byte) core.Bar {
	var b core.Bar
	var text []byte
	integer := func(key string) int64 {
		text, row = member(row, key)
		n, _ := strconv.ParseInt(string(text), 10, 64)
		return n
	}
	number := func(key string) float64 {
		text, row = member(row, key)
		f, _ := strconv.ParseFloat(string(text), 64)
		return f
	}
	b.OpenTime, b.CloseTime = integer(`,"t":`), integer(`,"T":`)
	b.Open, b.High, b.Low, b.Close = number(`,"o":`), number(`,"h":`), number(`,"l":`), number(`,"c":`)
	b.Volume, b.QuoteVolume = number(`,"v":`), number(`,"qv":`)
	b.N = integer(`,"n":`)
	b.TakerBuyVolume = number(`,"bv":`)
	return b
}

// recordBar reads a record: every number is the double nearest to its decimal,
// as the workers' are.
func recordBar(k *wire.KlineRecord) core.Bar {
	f := func(b []byte) float64 {
		v, _ := strconv.ParseFloat(string(b), 64)
		return v
	}
	return core.Bar{
		OpenTime: k.T, CloseTime: k.CloseT, Open: f(k.O), High: f(k.H), Low: f(k.L), Close: f(k.C),
		Volume: f(k.V), QuoteVolume: f(k.QV), TakerBuyVolume: f(k.BV), N: k.N,
	}
}

// rowRevision reads rev and seq of a row that appendKline wrote.
func rowRevision(row []byte) (rev int32, seq int64) {
	text, rest := member(row, `,"rev":`)
	n, _ := strconv.ParseInt(string(text), 10, 32)
	text, _ = member(rest, `,"seq":`)
	seq, _ = strconv.ParseInt(string(text), 10, 64)
	return int32(n), seq
}
