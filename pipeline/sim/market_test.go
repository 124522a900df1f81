//go:build synctests

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// oldBy is how far a replayed source is behind.
const oldBy = time.Hour

// marketTxn names the transactions of trades.
const marketTxn = "market"

// market writes trades: in order and out of it, late, too late, twice, broken, in
// transactions that are aborted, and now and then nothing for a while.
type market struct {
	w    *world
	rng  *rand.Rand
	cl   *kgo.Client
	txn  *kgo.Client
	quit chan struct{}
	once sync.Once // closes quit
	done chan struct{}

	id     int
	recent []*kgo.Record // may come again

	txnOnly atomic.Bool

	mu   sync.Mutex      // protects last
	last map[int32]int64 // offset of the newest record that counts, per partition
}

func newMarket(w *world, rng *rand.Rand) *market {
	return &market{w: w, rng: rng, quit: make(chan struct{}), done: make(chan struct{}), last: map[int32]int64{}}
}

// open begins to trade.
func (m *market) open() {
	m.cl = m.w.client()
	m.txn = m.w.client(kgo.TransactionalID(marketTxn), kgo.TransactionTimeout(20*time.Second))
	for _, cl := range []*kgo.Client{m.cl, m.txn} {
		// Before any fault: it would be for good.
		if _, _, err := cl.ProducerID(context.Background()); err != nil {
			m.w.t.Errorf("getting a producer id for trades: %v", err)
		}
	}
	go func() {
		defer close(m.done)
		for {
			pause := time.Duration(50+m.rng.IntN(300)) * time.Millisecond
			if m.rng.IntN(40) == 0 {
				pause = time.Duration(2500+m.rng.IntN(4000)) * time.Millisecond
				m.w.tally.hit("market: pauses", 1)
			}
			select {
			case <-m.quit:
				return
			case <-time.After(pause):
			}
			m.trade()
		}
	}()
}

// always makes every trade part of a transaction.
func (m *market) always(inTransactions bool) { m.txnOnly.Store(inTransactions) }

// halt ends the trading; close gives the clients back.
func (m *market) halt() {
	m.once.Do(func() { close(m.quit) })
	<-m.done
}

func (m *market) close() {
	if m.cl != nil {
		m.halt()
		m.cl.Close()
		m.txn.Close()
	}
}

func (m *market) trade() {
	p := m.rng.Int32N(m.w.plan.partitions)
	recs := make([]*kgo.Record, 1+m.rng.IntN(6))
	for i := range recs {
		recs[i] = m.record(p)
	}
	if m.rng.IntN(12) == 0 || m.txnOnly.Load() {
		m.inTransaction(recs)
		return
	}
	m.send(m.cl, recs)
	m.note(recs)
}

func (m *market) send(cl *kgo.Client, recs []*kgo.Record) {
	if err := cl.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
		m.w.t.Errorf("writing trades: %v", err)
	}
}

// inTransaction leaves records behind that nobody may apply, and offsets that
// hold none.
func (m *market) inTransaction(recs []*kgo.Record) {
	if err := m.txn.BeginTransaction(); err != nil {
		m.w.t.Errorf("writing trades: %v", err)
		return
	}
	m.send(m.txn, recs)
	commit := kgo.TransactionEndTry(m.rng.IntN(2) == 0)
	if err := m.txn.EndTransaction(context.Background(), commit); err != nil {
		m.w.t.Errorf("ending a transaction of trades: %v", err)
		return
	}
	if commit {
		m.note(recs)
	} else {
		m.w.tally.hit("market: aborted transactions", 1)
	}
}

// note remembers what is on the log.
func (m *market) note(recs []*kgo.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range recs {
		m.last[r.Partition] = max(m.last[r.Partition], r.Offset)
	}
	m.recent = append(m.recent, recs...)
	m.recent = m.recent[max(0, len(m.recent)-40):]
}

// end is the offset behind the last record of p that counts.
func (m *market) end(p int32) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.last[p]; ok {
		return at + 1
	}
	return 0
}

func (m *market) record(p int32) *kgo.Record {
	if n := len(m.recent); n > 0 && m.rng.IntN(15) == 0 {
		if r := m.recent[m.rng.IntN(n)]; r.Partition == p {
			m.w.tally.hit("market: records written twice", 1)
			again := &kgo.Record{Topic: inputTopic, Partition: p, Key: r.Key, Value: r.Value, Headers: r.Headers}
			if header(r, "src") == "old" {
				again.Timestamp = time.Now().Add(-oldBy)
			}
			return again
		}
	}
	r := &kgo.Record{Topic: inputTopic, Partition: p}
	now := time.Now()
	source := []string{"", "", "", "", "x", "x", "old"}[m.rng.IntN(7)]
	if source == "old" {
		now = now.Add(-oldBy)
		r.Timestamp = now
	}
	if source != "" {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: "src", Value: []byte(source)})
	}
	symbol := fmt.Sprintf("%s%c%d", source, 'A'+m.rng.IntN(2), p)
	r.Key = []byte(symbol)
	r.Value = []byte(m.body(r, symbol, source, now.UnixMilli()))
	return r
}

// body is one trade, several, a heartbeat, or something broken.
func (m *market) body(r *kgo.Record, symbol, source string, now int64) string {
	one := m.tradeText(symbol, m.eventTime(now))
	switch m.rng.IntN(40) {
	case 0:
		return `garbage`
	case 1:
		return fmt.Sprintf(`{"symbol":%q,"size":"1","ts":%d}`, symbol, now)
	case 2:
		return fmt.Sprintf(`{"symbol":%q,"price":"0","size":"1","ts":%d}`, symbol, now)
	case 3:
		return m.tradeText(symbol, now+60_000) // nothing happens that late
	case 4, 5:
		return "[" + one + "," + m.tradeText(symbol, m.eventTime(now)) + "," + `{"symbol":"x"}` + "]"
	case 6:
		if source == "x" {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "k", Value: []byte("hb")})
			return fmt.Sprintf(`{"src":"x","ts":%d,"up":true}`, now-300)
		}
	}
	return one
}

func (m *market) eventTime(now int64) int64 {
	switch m.rng.IntN(20) {
	case 0:
		return now - m.rng.Int64N(9_000) // late: a bar is restated
	case 1:
		return now - 14_000 - m.rng.Int64N(9_000) // too late
	}
	return now - m.rng.Int64N(400)
}

func (m *market) tradeText(symbol string, ts int64) string {
	m.id++
	id := m.id
	if m.rng.IntN(25) == 0 {
		id = max(1, id-m.rng.IntN(20)) // somebody else's id: a conflict, if it is the same symbol's
	}
	side := [2]string{"buy", "sell"}[m.rng.IntN(2)]
	return fmt.Sprintf(`{"symbol":%q,"price":"%d.%d","size":"%d.%02d","ts":%d,"id":%d,"side":%q}`,
		symbol, 90+m.rng.IntN(20), m.rng.IntN(10), 1+m.rng.IntN(9), m.rng.IntN(100), ts, id, side)
}

// bell tells every source of every partition what time it is: all bars before
// that are closed.
func (m *market) bell() {
	now := time.Now().UnixMilli()
	var recs []*kgo.Record
	for p := range m.w.plan.partitions {
		for _, source := range []string{"", "x", "old"} {
			r := &kgo.Record{Topic: inputTopic, Partition: p, Headers: []kgo.RecordHeader{{Key: "k", Value: []byte("hb")}}}
			r.Value = fmt.Appendf(nil, `{"ts":%d}`, now)
			if source != "" {
				r.Value = fmt.Appendf(nil, `{"src":%q,"ts":%d}`, source, now)
			}
			recs = append(recs, r)
		}
	}
	m.send(m.cl, recs)
	m.note(recs)
}
