// Package load makes trades for crash tests and measurements, as many and as untidy as asked: symbols, rate, disorder, repeats.
//
// The central type is [Generator]: made from [Config] with a seed, asked for one [Trade] after the other, the same ones for the same
// seed on every machine. A trade says when it is to be sent and what it is; ids ascend per symbol without a hole, so that a
// checker can count what is missing.
//
// It sends nothing and looks at no clock: cmd/produce does both.
package load

import (
	"container/heap"
	"fmt"
	"math/rand/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/marketdata"
)

// Config says what to make.
type Config struct {
	Symbols    int     // number of symbols, S0000, S0001, ..
	Rate       float64 // trades a second over all symbols, in event time
	Count      int     // trades without repeats
	StartMS    int64   // event time of the first trade, ms since 1970
	DisorderMS int64   // a trade is sent up to this long after its event time, so trades overtake each other
	Repeats    float64 // share of trades sent a second time, 0 to 1
	Seed       uint64
}

// Trade is one trade to send.
type Trade struct {
	marketdata.Trade
	SendMS int64 // when to send it, ms since 1970; ascends
	Repeat bool  // the same trade was given out before
}

// Generator gives out trades in the order of their sending.
type Generator struct {
	config  Config
	random  *rand.Rand
	made    int
	ids     []int64
	prices  []int64 // hundredths
	waiting queue
}

// New checks the configuration and returns a generator at its first trade.
func New(c Config) (*Generator, error) {
	switch {
	case c.Symbols < 1 || c.Symbols > 10_000:
		return nil, fmt.Errorf("checking the load: %d symbols, want 1 to 10000", c.Symbols)
	case c.Rate <= 0 || c.Count < 1:
		return nil, fmt.Errorf("checking the load: rate %v and count %d must be positive", c.Rate, c.Count)
	case c.StartMS <= 0 || c.DisorderMS < 0:
		return nil, fmt.Errorf("checking the load: start %d ms and disorder %d ms", c.StartMS, c.DisorderMS)
	case c.Repeats < 0 || c.Repeats > 1:
		return nil, fmt.Errorf("checking the load: share of repeats %v, want 0 to 1", c.Repeats)
	}
	g := &Generator{config: c, random: rand.New(rand.NewPCG(c.Seed, c.Seed)), ids: make([]int64, c.Symbols), prices: make([]int64, c.Symbols)}
	for i := range g.prices {
		g.prices[i] = 1_000 + g.random.Int64N(1_000_000)
	}
	return g, nil
}

// Next returns the next trade, and false after the last one.
func (g *Generator) Next() (Trade, bool) {
	// A trade may go out once no trade that is still to be made can be sent before it.
	for g.made < g.config.Count && (len(g.waiting) == 0 || g.waiting[0].SendMS >= g.eventTime(g.made)) {
		g.make()
	}
	if len(g.waiting) == 0 {
		return Trade{}, false
	}
	item, _ := heap.Pop(&g.waiting).(queued)
	return item.Trade, true
}

func (g *Generator) eventTime(n int) int64 {
	return g.config.StartMS + int64(float64(n)*1000/g.config.Rate)
}

func (g *Generator) make() {
	symbol := g.random.IntN(g.config.Symbols)
	g.ids[symbol]++
	g.prices[symbol] = max(100, g.prices[symbol]+g.random.Int64N(21)-10)
	size := 1 + g.random.Int64N(1_000_000)
	trade := Trade{Trade: marketdata.Trade{
		Symbol: fmt.Sprintf("S%04d", symbol),
		Price:  fmt.Sprintf("%d.%02d", g.prices[symbol]/100, g.prices[symbol]%100),
		Size:   fmt.Sprintf("%d.%05d", size/100_000, size%100_000),
		TS:     g.eventTime(g.made), ID: g.ids[symbol], Side: []string{"buy", "sell"}[g.random.IntN(2)],
	}}
	g.made++
	trade.SendMS = trade.TS + g.delay()
	heap.Push(&g.waiting, queued{trade, g.made * 2})
	if g.random.Float64() < g.config.Repeats {
		trade.SendMS += g.delay()
		trade.Repeat = true
		heap.Push(&g.waiting, queued{trade, g.made*2 + 1})
	}
}

func (g *Generator) delay() int64 { return g.random.Int64N(g.config.DisorderMS + 1) }

// queued is a trade with its number, which keeps the order of equal times.
type queued struct {
	Trade
	number int
}

// queue is a heap by (SendMS, number).
type queue []queued

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].SendMS < q[j].SendMS || q[i].SendMS == q[j].SendMS && q[i].number < q[j].number
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for container/heap.
func (q *queue) Push(x any) {
	item, _ := x.(queued)
	*q = append(*q, item)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

var _ heap.Interface = (*queue)(nil)
