package pipeline

import (
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/embedded"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Rehearsal does the work of one partition without a broker: records and
// decisions in, the records that a node would write out. It steps the same
// core and runs the same indicators as a worker, and numbers positions as a
// worker does; the clock has no part in it. It belongs to one goroutine.
type Rehearsal struct {
	w    worker
	unit unit
}

// NewRehearsal builds the work of partition p of n. Of cfg it takes what
// results depend on: intervals, symbols, mapping, delays and indicators; input
// is the name of the topic of trades, the source of records without one.
func NewRehearsal(cfg Config, input string, p, n int32) (*Rehearsal, error) {
	if cfg.Embedded == nil && cfg.Kafka == nil {
		cfg.Embedded = &EmbeddedSource{} // which of the two does not matter here
	}
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	e := Engine{cfg: cfg, layout: &kafka.Layout{N: n}}
	eng, err := core.New(e.coreConfig(p))
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{w: worker{
		p: p, cfg: &cfg, name: input, eng: eng, dec: wire.NewDecoder(cfg.Mapping), generic: wire.NewDecoder(nil),
		vals:    newValueSet(p, cfg.Indicators, cfg.Intervals, cfg.AllowedLateness.Milliseconds()),
		sources: sourceNames{}, last: lastRecord{offset: -1}, ord: ordinals{so: -1}, idle: newIdleWatch(cfg.Clock.Now()),
	}}
	r.unit.reset(p)
	return r, nil
}

// Next returns the offset that the next record must not lie below.
func (r *Rehearsal) Next() int64 { return r.w.eng.Next() }

// Begin sets where the input starts, before the first record.
func (r *Rehearsal) Begin(offset int64) error { return r.w.eng.Begin(offset) }

// Counters returns what was counted so far.
func (r *Rehearsal) Counters() core.Counters { return r.w.eng.Counters() }

// Record takes one record of the input and returns what it caused, in order of
// positions. The outputs are valid until the next call.
func (r *Rehearsal) Record(rec *kafka.Rec) ([]kafka.Out, error) {
	if rec.Offset < r.w.eng.Next() {
		return nil, fmt.Errorf("taking record %d: %w", rec.Offset, core.ErrRewind)
	}
	r.w.apply(rec)
	r.w.read(rec)
	return r.emit(rec, rec.Timestamp)
}

// IdleOp returns the decision that a worker would take at the time nowMS if src
// had been silent, as core.Engine.IdleOp.
func (r *Rehearsal) IdleOp(src string, nowMS int64) (core.Op, bool) {
	return r.w.eng.IdleOp(src, nowMS)
}

// Decide takes a record of the journal at its place.
func (r *Rehearsal) Decide(d *kafka.JournalRecord) ([]kafka.Out, error) {
	if last := r.w.last; last.offset >= 0 && d.LO >= 0 && (last.offset != d.LO || last.sum != d.LC) {
		return nil, fmt.Errorf("acting on decision %d: it was taken behind record %d with sum %08x, the input has record %d with sum %08x there",
			d.N, d.LO, d.LC, last.offset, last.sum)
	}
	ops, err := wire.DecodeOps(d.Body)
	if err != nil {
		return nil, fmt.Errorf("reading decision %d: %w", d.N, err)
	}
	for _, op := range ops {
		if err := r.w.eng.Act(d.At, op, &r.w.out); err != nil {
			return nil, fmt.Errorf("acting on decision %d: %w", d.N, err)
		}
	}
	return r.emit(nil, d.Timestamp)
}

// emit gives the collected outputs their positions and values.
func (r *Rehearsal) emit(rec *kafka.Rec, timestamp int64) ([]kafka.Out, error) {
	w := &r.w
	defer w.out.Reset()
	r.unit.reset(w.p)
	for _, id := range w.forming.dirty { // nobody looks at bars in progress
		w.forming.marked[id] = false
	}
	w.forming.dirty = w.forming.dirty[:0]
	if len(w.out.Items) == 0 {
		return nil, nil
	}
	if err := w.compute(); err != nil {
		return nil, err
	}
	for _, it := range w.out.Items {
		so := w.positionOf(it)
		if it.Diverted {
			r.unit.diverted(&w.out.Diverted[it.Index], rec, w.p, w.ord.take(so), w.letters.whole(so, len(rec.Value)))
			continue
		}
		k := &w.out.Klines[it.Index]
		r.unit.kline(k, w.vals.of(it.Index), w.ord.take(k.So), timestamp)
		for j := range w.redone[it.Index] {
			v := &w.redone[it.Index][j]
			r.unit.values(k, &w.vals.instances[v.Instance], v, &w.ord, timestamp)
		}
	}
	return r.unit.Outs, nil
}

// Close gives the slots of the indicators back.
func (r *Rehearsal) Close() { r.w.vals.close() }

// Complete returns cfg with every default set, or what cannot work.
func Complete(cfg Config) (Config, error) {
	err := cfg.fill()
	return cfg, err
}

// Cluster says how to reach the brokers of a Kafka source.
func (k *KafkaSource) Cluster(c clock.Clock, log Logger) (kafka.Cluster, error) {
	return k.cluster(c, log)
}

// EmbeddedTopics are the topics of an embedded broker with this configuration.
func (m *EmbeddedSource) EmbeddedTopics() []embedded.Topic {
	var all []embedded.Topic
	for _, s := range kafka.EmbeddedTopics(kafka.Topics{Input: defaultTopic}, m.perPartition()) {
		all = append(all, embedded.Topic{Name: s.Name, Configs: s.Configs})
	}
	return all
}
