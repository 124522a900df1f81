package schedule

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// machine is the pure state of one partition: what a checkpoint contains. A
// worker owns one, and so does the replay that it is compared with.
type machine struct {
	dec    *wire.Decoder
	cut    Mutant
	cfg    core.Config
	future [2]int64 // max_future by rules
	rules  int
	eng    *core.Engine
	vals   *values
	ord    ordinals
	last   lastRecord
	n      int64 // number of the last journal record that counted

	out    core.Outputs
	trades []core.Trade
	buf    []byte
	outs   []output        // collected, in order of their positions
	seen   map[string]bool // for the mutant that applies duplicates
}

// output is a record that is to be written.
type output struct {
	topic topic
	rec   record
}

// lastRecord is the newest input record that was read.
type lastRecord struct {
	offset int64
	sum    uint32
}

// ordinals number the outputs of one input offset.
type ordinals struct{ so, next int64 }

func (o *ordinals) take(so int64) int64 {
	if so != o.so {
		o.so, o.next = so, 0
	}
	o.next++
	return o.next - 1
}

func newMachine(dec *wire.Decoder, cfg core.Config, future [2]int64, rules int, cut Mutant) (*machine, error) {
	m := &machine{
		dec: dec, cut: cut, cfg: cfg, future: future, vals: newValues(len(cfg.Intervals)),
		ord: ordinals{so: -1}, last: lastRecord{offset: -1},
	}
	return m, m.rule(rules)
}

// rule makes the state follow other rules from here on.
func (m *machine) rule(rules int) error {
	m.rules, m.cfg.MaxFuture = rules, m.future[rules]
	eng, err := core.New(m.cfg)
	if err != nil {
		return fmt.Errorf("building a partition: %w", err)
	}
	if m.eng != nil {
		if err := eng.Restore(m.eng.Snapshot(nil)); err != nil {
			return fmt.Errorf("taking a partition over to other rules: %w", err)
		}
	}
	m.eng = eng
	return nil
}

// apply steps one input record. The error is core.ErrRewind.
func (m *machine) apply(r *record) error {
	rec := core.Record{Offset: r.offset, Timestamp: r.time, Source: r.source}
	err := m.step(r, &rec)
	if err != nil {
		return err
	}
	m.last = lastOf(r)
	m.emit(r, r.time)
	return nil
}

func lastOf(r *record) lastRecord {
	return lastRecord{r.offset, crc32.Checksum([]byte(r.value), castagnoli)}
}

func (m *machine) step(r *record, rec *core.Record) error {
	if r.head == wire.KindHeartbeat {
		hb, err := wire.DecodeHeartbeat([]byte(r.value))
		if err != nil {
			return m.undecodable(rec, err)
		}
		return m.eng.Heartbeat(rec, hb, &m.out)
	}
	var err error
	m.trades, err = m.dec.Decode([]byte(r.value), m.trades[:0])
	if err != nil {
		return m.undecodable(rec, err)
	}
	if m.cut.NoDedupe {
		m.disguise()
	}
	return m.eng.Trades(rec, m.trades, &m.out)
}

func (m *machine) undecodable(rec *core.Record, err error) error {
	reason, field := core.ReasonDecode, ""
	var rejected *wire.RejectError
	if errors.As(err, &rejected) {
		reason, field = rejected.Reason, rejected.Field
	}
	return m.eng.Undecodable(rec, reason, field, &m.out)
}

// disguise gives trades that were seen before an id that was not.
func (m *machine) disguise() {
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	for i := range m.trades {
		t := &m.trades[i]
		if t.Reject != core.ReasonNone || t.ID.Kind == core.IDNone {
			continue
		}
		key := string(t.Symbol) + "|" + strconv.FormatInt(t.ID.Num, 10) + string(t.ID.Text)
		if m.seen[key] {
			t.ID = core.TradeID{Kind: core.IDInt, Num: 1<<20 + int64(len(m.seen))}
		}
		m.seen[key] = true
	}
}

// act lets a decision happen.
func (m *machine) act(d *decision) error {
	ops, err := wire.DecodeOps([]byte(d.body))
	if err != nil {
		return err
	}
	for _, op := range ops {
		if op.Kind == core.OpConfig && !m.cut.NewRulesAtOnce {
			if err := m.rule(int(op.Config[0] - '0')); err != nil {
				return err
			}
		}
		if err := m.eng.Act(d.at, op, &m.out); err != nil {
			return err
		}
	}
	m.emit(nil, d.time)
	return nil
}

// emit turns what the step put out into records with positions.
func (m *machine) emit(r *record, time int64) {
	for _, it := range m.out.Items {
		if it.Diverted {
			m.divert(&m.out.Diverted[it.Index], r)
			continue
		}
		m.kline(&m.out.Klines[it.Index], time)
	}
	m.out.Reset()
}

func (m *machine) kline(k *core.Kline, time int64) {
	if m.cut.DropLate && k.Rev > 0 {
		return
	}
	vals, again := m.vals.bar(k)
	m.buf = wire.AppendKlineKey(m.buf[:0], k.Symbol, k.Interval, k.OpenTime)
	key := string(m.buf)
	m.buf = wire.AppendKline(m.buf[:0], k, vals)
	m.outs = append(m.outs, output{klines, record{time: time, key: key, value: string(m.buf), so: k.So, sk: m.ord.take(k.So)}})
	if k.Rev == 0 {
		return
	}
	m.buf = wire.AppendRestated(m.buf[:0], k.Symbol, k.Interval, valueName, k.Rev, again.seq, string(k.Why), valueVersion,
		again.t, [][]float64{again.v}, []string{"value"})
	m.outs = append(m.outs, output{klines, record{
		time: time, key: key, value: string(m.buf), head: wire.KindRestated, so: k.So, sk: m.ord.take(k.So),
	}})
}

func (m *machine) divert(d *core.Diverted, r *record) {
	o := output{late, record{time: r.time, key: r.key, value: r.value, so: d.So}}
	if d.Dead {
		o.topic = dlq
	} else if m.cut.DropLate {
		return
	}
	if d.Symbol != "" {
		o.rec.key = d.Symbol
	}
	o.rec.head = d.Reason.String() + "|" + d.Field + "|" + strconv.Itoa(d.Index) + "|" + d.Symbol
	o.rec.sk = m.ord.take(d.So)
	m.outs = append(m.outs, o)
}

// take hands over what was collected.
func (m *machine) take() []output {
	outs := m.outs
	m.outs = nil
	return outs
}

// snapshot is the body of a checkpoint.
func (m *machine) snapshot() []byte {
	b := make([]byte, 0, 4096)
	for _, v := range [...]int64{m.n, m.last.offset, int64(m.last.sum), m.ord.so, m.ord.next} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	at := len(b)
	b = m.eng.Snapshot(append(b, 0, 0, 0, 0))
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return m.vals.snapshot(b)
}

var errShort = errors.New("the state of a partition ends in the middle")

func (m *machine) restore(b []byte) error {
	if len(b) < 44 {
		return errShort
	}
	at := func(i int) int64 { return int64(binary.LittleEndian.Uint64(b[8*i:])) }
	m.n, m.last, m.ord = at(0), lastRecord{at(1), uint32(at(2))}, ordinals{at(3), at(4)}
	n := int(binary.LittleEndian.Uint32(b[40:]))
	if n > len(b)-44 {
		return errShort
	}
	if err := m.eng.Restore(b[44 : 44+n]); err != nil {
		return err
	}
	return m.vals.restore(b[44+n:])
}
