package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Store is a database that holds closed bars, those among them that have left
// memory and the log. What it holds was written in the order of the log, so a
// store that has a bar has every bar whose record stands before it.
//
// Its methods may be called from any goroutine.
type Store interface {
	// Name is the word that X-Data-Source uses, from the configuration.
	Name() string
	// Bars calls fn with the newest revision of each bar that q asks for,
	// ascending by open time. The record is valid during the call; Sym to Why, P,
	// O0 and O1 are set. It returns when ctx ends. An error of fn ends it, too.
	Bars(ctx context.Context, q BarQuery, fn func(*wire.KlineRecord) error) error
}

// BarQuery is which bars of a series a Store is asked for.
type BarQuery struct {
	Symbol, Interval string
	// From and To bound the open times, ms UTC: From <= t < To.
	From, To int64
	// Limit is the largest number of bars; at least 1.
	Limit int
	// Newest asks for the newest bars of the range instead of the oldest.
	Newest bool
}

// StoreObserver is told of each question to a store. The error is for the
// operator; nil if the store answered.
type StoreObserver interface {
	StoreRead(store string, took time.Duration, err error)
}

// StoreConfig bounds what readers may ask of stores.
type StoreConfig struct {
	// Timeout bounds the questions of one request together. Default: 3 s.
	Timeout time.Duration
	// Parallel bounds the questions that one store answers at a time. Default: 4.
	Parallel int
	// Observer may be nil.
	Observer StoreObserver
}

const (
	defaultStoreTimeout  = 3 * time.Second
	defaultStoreParallel = 4
	// firstOpen and lastOpen bound open times in questions: years 1 and 9999, which
	// every database can name.
	firstOpen = int64(-62_135_596_800_000)
	lastOpen  = int64(253_402_300_799_000)
)

// SetStores sets the databases behind memory, the one that is asked first in
// front. Questions that are on their way end with the store they were put to.
func (h *Hub) SetStores(stores []Store, cfg StoreConfig) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultStoreTimeout
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = defaultStoreParallel
	}
	gates := make([]*gate, len(stores))
	for i, s := range stores {
		gates[i] = newGate(s, h.gates.Add(1), cfg, h.cfg.Clock)
	}
	h.stores.Store(&gates)
}

// storeBar is a bar of a store, as rows and as numbers.
type storeBar struct {
	t           int64
	row, source []byte
	bar         core.Bar
	place       publication
}

// errUnfit is wrapped where a store answers what was not asked for.
var errUnfit = errors.New("reading bars of the store: the answer does not fit the question")

// ask collects the bars of a question from the first store that answers. Every
// answer is checked: what is written into a response came from a database that
// others can write to.
func (d *deepRead) ask(q BarQuery, rows bool) ([]storeBar, error) {
	q.Symbol, q.Interval = d.g.symbol.name, d.h.cfg.Intervals[d.g.itv]
	q.From, q.To = max(q.From, firstOpen), min(q.To, lastOpen)
	if q.From >= q.To {
		return nil, nil
	}
	var last error
	for i, g := range d.gates {
		var out []storeBar
		last = g.ask(d.ctx, q, func(k *wire.KlineRecord) error {
			if len(out) == q.Limit || !fits(k, &q) || len(out) > 0 && out[len(out)-1].t >= k.T {
				return errUnfit
			}
			b := storeBar{t: k.T, bar: recordBar(k), place: publication{k.T, k.Seq, k.Rev, k.Q == qualityImported}}
			if rows {
				b.row, b.source = appendKline(nil, k), appendSource(nil, k)
			}
			out = append(out, b)
			return nil
		})
		if last == nil {
			// The next question is this store's: another one may lag more.
			d.gates, d.name = d.gates[i:i+1], g.store.Name()
			return out, nil
		}
		if d.ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// fits tells whether a record answers a question and can be written as JSON.
func fits(k *wire.KlineRecord, q *BarQuery) bool {
	if k.Sym != q.Symbol || k.Itv != q.Interval || !k.Final || k.T < q.From || k.T >= q.To {
		return false
	}
	for _, text := range [...][]byte{k.O, k.H, k.L, k.C, k.V, k.QV, k.BV, k.BQV, k.VWAP} {
		if !decimal(text) {
			return false
		}
	}
	return tradeID(k.FirstID) && tradeID(k.LastID)
}

// tradeID tells whether text is a JSON integer or string.
func tradeID(text []byte) bool {
	if len(text) > 0 && text[0] == '"' {
		return json.Valid(text)
	}
	return decimal(text) && bytes.IndexByte(text, '.') < 0
}

// decimal tells whether text is a JSON number without an exponent.
func decimal(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	dot := -1
	for i, c := range text {
		switch {
		case c == '.' && dot < 0 && i > 0 && i < len(text)-1:
			dot = i
		case c < '0' || c > '9':
			return false
		}
	}
	return len(text) > 0 && (text[0] != '0' || len(text) == 1 || dot == 1)
}
