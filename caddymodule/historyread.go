package caddymodule

import (
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/history/clickhouse"
	"github.com/caddy-kline/caddy-kline/pipeline/history/postgres"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// historyReader answers reads of klines that memory does not hold any more.
type historyReader interface {
	serve.Store
	// Close gives idle connections back.
	Close()
}

// readableHistory is a History whose database can be read back as it was written.
// The line protocol is not among them: QuestDB shows what it acknowledged a moment
// later, so a bar in it says nothing about the bars before, and InfluxDB has no
// exact decimals.
type readableHistory interface {
	// BuildReader makes the reader, nil where no klines are kept. It dials nothing.
	BuildReader(env historyEnv) historyReader
	// rank orders readers: the lowest is asked first.
	rank() int
}

// BuildReader implements readableHistory.
func (h *PostgresHistory) BuildReader(env historyEnv) historyReader {
	if !keepsKlines(h.Tables, history.Trades, history.Klines) {
		return nil
	}
	return postgres.NewReader(h.Sink(), h.config(env))
}

func (*PostgresHistory) rank() int { return 0 }

// BuildReader implements readableHistory.
func (h *ClickHouseHistory) BuildReader(env historyEnv) historyReader {
	if !keepsKlines(h.Tables, history.Klines) {
		return nil
	}
	return clickhouse.NewReader(h.Sink(), h.config(env))
}

func (*ClickHouseHistory) rank() int { return 1 }

func keepsKlines(tables []string, otherwise ...history.Stream) bool {
	streams, err := streamsOf(tables, otherwise...)
	return err == nil && slices.Contains(streams, history.Klines)
}

// runningReader is a reader that the hub uses now.
type runningReader struct {
	historyReader
	fingerprint string
}

// reconcileReaders makes the hub read from the histories of the current
// attachment, in their order. A reader that is the same in two configs keeps its
// sessions. It runs under startMu.
func (e *engine) reconcileReaders() {
	wanted := e.readableHistories()
	readers := make([]runningReader, 0, len(wanted))
	for _, h := range wanted {
		same := func(r runningReader) bool { return r.Name() == h.Sink() && r.fingerprint == h.Fingerprint() }
		if i := slices.IndexFunc(e.readers, same); i >= 0 {
			readers = append(readers, e.readers[i])
			continue
		}
		env := historyEnv{clock: e.clock, observer: e.metrics, log: e.lent.logger(), lender: e.lent}
		if r := h.(readableHistory).BuildReader(env); r != nil { //nolint:forcetypeassert // readableHistories
			readers = append(readers, runningReader{r, h.Fingerprint()})
		}
	}
	before := e.readers
	if e.readers = readers; slices.Equal(before, readers) {
		return
	}
	stores := make([]serve.Store, len(readers))
	for i, r := range readers {
		stores[i] = r.historyReader
	}
	e.hub().SetStores(stores, serve.StoreConfig{Observer: readObserver{e}})
	for _, r := range before {
		if !slices.Contains(readers, r) {
			r.Close()
		}
	}
}

// readableHistories are those of the current config, in the order in which they
// are asked.
func (e *engine) readableHistories() []History {
	a := e.lent.newest()
	if a == nil || e.hub() == nil || phase(e.phase.Load()) != phaseRunning {
		return nil
	}
	var out []History
	for _, h := range a.histories {
		if _, ok := h.(readableHistory); ok {
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(x, y History) int {
		return x.(readableHistory).rank() - y.(readableHistory).rank() //nolint:forcetypeassert // filtered above
	})
	return out
}

// stopReaders runs under startMu, when no request comes any more.
func (e *engine) stopReaders() {
	for _, r := range e.readers {
		r.Close()
	}
	e.readers = nil
}

// readObserver counts questions to databases, and logs those that failed: after
// one the database is left alone for a second or more, so there are never many.
type readObserver struct{ e *engine }

// StoreRead implements serve.StoreObserver.
func (o readObserver) StoreRead(store string, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = history.Reason(err)
		o.e.lent.logger().Warn("reading older klines from the history failed; memory and the log answer meanwhile", "sink", store, "error", err)
	}
	o.e.metrics.historyReads.WithLabelValues(store, result).Inc()
	o.e.metrics.historyReadTime.WithLabelValues(store).Observe(took.Seconds())
}
