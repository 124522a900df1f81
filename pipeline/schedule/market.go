package schedule

import (
	"math/rand/v2"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// intent is what a producer meant by a record. The recount reads it instead of
// the bytes, so that a fault of the decoder cannot hide.
type intent struct {
	source    string
	time      int64 // Kafka timestamp
	heartbeat bool
	ts        int64 // of a heartbeat
	up        bool
	garbage   bool // no trade can be read from it
	trades    []trade
}

// trade in the units of the market: prices in 1/100, sizes in 1/1000.
type trade struct {
	symbol      string
	price, size int64
	ms          int64
	id          int64
	text        bool // the id is a text
	buy         bool
	bad         string // the reason for which it must be refused by any rules
}

// market produces the trades of all partitions.
type market struct {
	rng     *rand.Rand
	symbols []*listing
	logs    []*partition
}

// listing is a symbol in its partition.
type listing struct {
	name, source string
	partition    int
	text         bool // its ids are texts
	old          bool // its source replays old trades
	price, id    int64
	past         []trade
}

func newMarket(rng *rand.Rand, logs []*partition) *market {
	m := &market{rng: rng, logs: logs}
	for i := range 1 + rng.IntN(3) {
		l := &listing{
			name: string(rune('A'+i)) + "USD", source: [...]string{"x", "y"}[rng.IntN(2)], partition: rng.IntN(len(logs)),
			price: 1_000 + rng.Int64N(90_000), text: rng.IntN(5) == 0,
		}
		if rng.IntN(8) == 0 {
			l.source, l.old, l.text = "z", true, false
		}
		m.symbols = append(m.symbols, l)
	}
	return m
}

// produce appends records of one symbol at the time now. Offsets may jump: the
// producer may be transactional itself.
func (m *market) produce(now int64) {
	l := m.symbols[m.rng.IntN(len(m.symbols))]
	for range 1 + m.rng.IntN(5) {
		in := &intent{source: l.source, time: now}
		if l.old {
			in.time -= 600_000
		}
		switch m.rng.IntN(16) {
		case 0, 1:
			m.heartbeat(l, in, in.time-m.rng.Int64N(1_500), m.rng.IntN(6) > 0)
		case 2:
			m.garbage(l, in)
		default:
			m.trades(l, in)
		}
		if m.rng.IntN(12) == 0 {
			m.logs[l.partition].end += 1 + m.rng.Int64N(2)
		}
	}
}

func (m *market) heartbeat(l *listing, in *intent, ts int64, up bool) {
	in.heartbeat, in.ts, in.up = true, ts, up
	b := append([]byte(`{"src":"`), l.source...)
	b = strconv.AppendInt(append(b, `","ts":`...), ts, 10)
	b = strconv.AppendBool(append(b, `,"up":`...), up)
	m.put(l, in, wire.KindHeartbeat, append(b, '}'))
}

func (m *market) garbage(l *listing, in *intent) {
	in.garbage = true
	m.put(l, in, "", []byte([...]string{"", "{", `{"symbol":"` + l.name, "[]", "\xff\xfe"}[m.rng.IntN(5)]))
}

func (m *market) trades(l *listing, in *intent) {
	n := 1
	if m.rng.IntN(8) == 0 {
		n += 1 + m.rng.IntN(3)
	}
	for range n {
		in.trades = append(in.trades, m.draw(l, in.time))
	}
	var b []byte
	if n > 1 {
		b = append(b, '[')
	}
	for i := range in.trades {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrade(b, &in.trades[i])
	}
	if n > 1 {
		b = append(b, ']')
	}
	m.put(l, in, "", b)
}

func (m *market) draw(l *listing, now int64) trade {
	if len(l.past) > 0 && m.rng.IntN(7) == 0 {
		t := l.past[m.rng.IntN(len(l.past))]
		if m.rng.IntN(3) == 0 {
			t.price++ // another trade under the same id
		}
		return t
	}
	l.id++
	l.price = max(100, l.price+m.rng.Int64N(201)-100)
	t := trade{
		symbol: l.name, price: l.price, size: 1 + m.rng.Int64N(3_000), id: l.id, text: l.text, ms: now, buy: m.rng.IntN(2) == 0,
	}
	switch m.rng.IntN(12) {
	case 0, 1, 2:
		t.ms -= m.rng.Int64N(500)
	case 3, 4:
		t.ms -= m.rng.Int64N(5_000)
	case 5:
		t.ms -= m.rng.Int64N(40_000)
	case 6:
		t.ms += m.rng.Int64N(700)
	}
	switch m.rng.IntN(40) {
	case 0:
		t.price, t.bad = 0, "price"
	case 1:
		t.size, t.bad = 0, "size"
	case 2:
		t.ms = now + maxFuture + 1 + m.rng.Int64N(90_000) // which rules take it?
	case 3:
		t.symbol, t.bad = "b d", "symbol"
	default:
		l.past = append(l.past, t)
	}
	return t
}

func appendTrade(b []byte, t *trade) []byte {
	b = append(append(b, `{"symbol":"`...), t.symbol...)
	b = appendPlaces(append(b, `","price":"`...), t.price, 2)
	b = appendPlaces(append(b, `","size":"`...), t.size, 3)
	b = strconv.AppendInt(append(b, `","ts":`...), t.ms, 10)
	if t.text {
		b = strconv.AppendInt(append(b, `,"id":"t-`...), t.id, 10)
		b = append(b, '"')
	} else {
		b = strconv.AppendInt(append(b, `,"id":`...), t.id, 10)
	}
	side := "sell"
	if t.buy {
		side = "buy"
	}
	return append(append(append(b, `,"side":"`...), side...), `"}`...)
}

// appendPlaces writes v / 10^places with all its places.
func appendPlaces(b []byte, v int64, places int) []byte {
	s := strconv.FormatInt(v, 10)
	for len(s) <= places {
		s = "0" + s
	}
	b = append(append(b, s[:len(s)-places]...), '.')
	return append(b, s[len(s)-places:]...)
}

func (m *market) put(l *listing, in *intent, head string, value []byte) {
	m.logs[l.partition].append(record{time: in.time, key: l.name, value: string(value), head: head, source: in.source, intent: in}, nil)
}

// finish writes a last heartbeat of every source that closes all bars.
func (m *market) finish(now int64) {
	for _, l := range m.symbols {
		m.heartbeat(l, &intent{source: l.source, time: now}, now, true)
	}
}
