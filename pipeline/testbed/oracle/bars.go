package oracle

import (
	"cmp"
	"math/big"
	"slices"
	"strconv"
)

// Options say how the pipeline under test was configured, as far as klines depend on it.
type Options struct {
	Intervals []Interval
	// Order is how trades of one event time follow each other: "trade_id", "seq", "arrival". Default: trade_id for a symbol whose first
	// trade has an integer id, else arrival.
	Order string
	// Refused are the places of trades that stand in the topics late and dlq.
	Refused map[Place]string
	// WatermarkDelayMS decides which klines must be closed: those that end at least this long before the symbol's newest trade.
	WatermarkDelayMS int64
	// AllClosed says that every kline must be closed, because heartbeats or idle closing passed the last trade.
	AllClosed bool
}

// Expected is one kline as it must be once its last trade was applied.
type Expected struct {
	Kline
	// VWAPs are the values of vwap for each price scale the symbol may have had when the kline was published: 8, or more after a price
	// with more decimals arrived.
	VWAPs []Text
	// Due says that the kline must have been published.
	Due bool
}

// Bars computes the klines of all trades, ordered by symbol, interval and time. Refused trades are left out, and of several trades
// of a symbol with the same id the first to arrive counts.
func Bars(trades []Trade, options Options) []Expected {
	var all []Expected
	bySymbol := map[string][]Trade{}
	var symbols []string
	for _, trade := range unique(trades, options.Refused) {
		if _, known := bySymbol[trade.Symbol]; !known {
			symbols = append(symbols, trade.Symbol)
		}
		bySymbol[trade.Symbol] = append(bySymbol[trade.Symbol], trade)
	}
	slices.Sort(symbols)
	for _, symbol := range symbols {
		s := newSeries(bySymbol[symbol], options)
		for _, interval := range options.Intervals {
			all = append(all, s.klines(interval, options)...)
		}
	}
	return all
}

// unique returns the trades in the order of their arrival without repeats and refused ones.
func unique(trades []Trade, refused map[Place]string) []Trade {
	arrived := slices.SortedStableFunc(slices.Values(trades), func(a, b Trade) int {
		return cmp.Or(cmp.Compare(a.Place.Partition, b.Place.Partition), cmp.Compare(a.Place.Offset, b.Place.Offset), cmp.Compare(a.Place.Index, b.Place.Index))
	})
	seen := map[[2]string]bool{}
	return slices.DeleteFunc(arrived, func(t Trade) bool {
		if _, out := refused[t.Place]; out {
			return true
		}
		key := [2]string{t.Symbol, t.ID}
		repeated := t.ID != "" && seen[key]
		seen[key] = true
		return repeated
	})
}

// series is one symbol: its trades sorted by event time, and the scales at which all of its numbers are integers.
type series struct {
	trades []Trade
	ps, qs int
	newest int64 // newest event time, ns
}

func newSeries(arrived []Trade, options Options) series {
	s := series{trades: arrived}
	policy := options.Order
	if policy == "" {
		policy = "arrival"
		if _, err := strconv.ParseInt(arrived[0].ID, 10, 64); err == nil {
			policy = "trade_id"
		}
	}
	slices.SortStableFunc(s.trades, func(a, b Trade) int {
		return cmp.Or(cmp.Compare(a.EventNS, b.EventNS), cmp.Compare(tie(a, policy), tie(b, policy)))
	})
	for _, t := range s.trades {
		s.ps, s.qs = max(s.ps, t.Price.scale), max(s.qs, t.Size.scale)
		s.newest = max(s.newest, t.EventNS)
	}
	return s
}

// tie is what orders trades of one event time; under arrival the stable sort alone does.
func tie(t Trade, policy string) int64 {
	switch policy {
	case "trade_id":
		id, err := strconv.ParseInt(t.ID, 10, 64)
		if err == nil {
			return id
		}
		return t.Place.Offset*4096 + int64(t.Place.Index)
	case "seq":
		return t.Seq
	}
	return 0
}

func (s series) klines(interval Interval, options Options) []Expected {
	var out []Expected
	for rest := s.trades; len(rest) > 0; {
		open, next := interval.Bucket(floor(rest[0].EventNS, 1_000_000) / 1_000_000)
		n := 1
		for n < len(rest) && rest[n].EventNS < next*1_000_000 {
			n++
		}
		expected := s.sum(rest[:n])
		expected.Interval, expected.Open, expected.End = interval.String(), open, next-1
		expected.Due = options.AllClosed || next+options.WatermarkDelayMS <= s.newest/1_000_000
		out = append(out, expected)
		rest = rest[n:]
	}
	return out
}

// sum makes the kline of trades that are sorted and share a bucket.
func (s series) sum(trades []Trade) Expected {
	first, last := trades[0], trades[len(trades)-1]
	high, low := first.Price.at(s.ps), first.Price.at(s.ps)
	v, qv, bv, bqv := new(big.Int), new(big.Int), new(big.Int), new(big.Int)
	from, to := first.Place.Offset, first.Place.Offset
	for _, t := range trades {
		price, size := t.Price.at(s.ps), t.Size.at(s.qs)
		notional := new(big.Int).Mul(price, size)
		if price.Cmp(high) > 0 {
			high = price
		}
		if price.Cmp(low) < 0 {
			low = price
		}
		v.Add(v, size)
		qv.Add(qv, notional)
		if t.Side == "buy" {
			bv.Add(bv, size)
			bqv.Add(bqv, notional)
		}
		from, to = min(from, t.Place.Offset), max(to, t.Place.Offset)
	}
	text := func(n *big.Int, scale int) Text { return Text(decimal{n, scale}.String()) }
	e := Expected{Kline: Kline{
		Symbol: first.Symbol, O: Text(first.Price.String()), H: text(high, s.ps), L: text(low, s.ps), C: Text(last.Price.String()),
		V: text(v, s.qs), QV: text(qv, s.ps+s.qs), BV: text(bv, s.qs), BQV: text(bqv, s.ps+s.qs), N: int64(len(trades)),
		First: id(first), Last: id(last), Final: true, Source: &Source{first.Place.Partition, from, to},
	}}
	for scale := 8; scale <= max(8, s.ps); scale++ {
		e.VWAPs = append(e.VWAPs, Text(divide(decimal{qv, s.ps + s.qs}, decimal{v, s.qs}, scale).String()))
	}
	e.VWAP = e.VWAPs[len(e.VWAPs)-1]
	return e
}

func id(t Trade) RawText {
	if t.ID == "" {
		return "-1"
	}
	return RawText(t.ID)
}
