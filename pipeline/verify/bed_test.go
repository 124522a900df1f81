package verify

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
)

// slice is a topic in memory, handed out in uneven pieces.
type slice struct {
	recs []kafka.Rec
	n    int
}

func (s *slice) Next(context.Context) ([]kafka.Rec, error) {
	if len(s.recs) == 0 {
		return nil, io.EOF
	}
	s.n++
	n := min(len(s.recs), 1+s.n*7%97)
	out := s.recs[:n]
	s.recs = s.recs[n:]
	return out, nil
}

// bed is the topics of one partition, as the engine wrote them.
type bed struct {
	ticks, klines, late, dlq []kafka.Rec
	cfg                      Config
	oldest                   int64 // position of the first kline, if some are gone
	to                       int64 // end of the range, 0 for the end of the input
	cut                      bool
	refusedFrom              int64
	changes                  []int64  // of the configuration
	found                    *auditor // what the last comparison has seen
}

var names = []string{"1s", "7s", "1m", "90s", "1h"}

// instances are computed natively here as well: what is tested is the way that
// verify takes, the WebAssembly one has its own tests and those of the binary.
var instances = []Instance{
	{Name: "sma(3)", ID: indicators.SMA, Params: []float64{3}, Source: "close", Outputs: 1, Version: "0a0b0c0d"},
	{Name: "ema(5)", ID: indicators.EMA, Params: []float64{5}, Source: "hl2", Outputs: 1, Version: "0a0b0c0d"},
	{Name: "rsi(4)", ID: indicators.RSI, Params: []float64{4}, Source: "close", Outputs: 1, Degenerate: true, Version: "0a0b0c0d"},
	{Name: "vwap", ID: indicators.VWAP, Params: []float64{2, 0, 1}, Outputs: 3, Degenerate: true, Version: "0a0b0c0d"},
}

// run lets the engine work on the records. decide may take a decision after a
// record.
func run(t testing.TB, recs []kafka.Rec, lateness time.Duration, decide func(r *pipeline.Rehearsal, rec *kafka.Rec) *kafka.JournalRecord) *bed {
	t.Helper()
	b := &bed{ticks: recs, cfg: Config{
		Input: "ticks", Instances: instances, WatermarkDelay: 500, AllowedLateness: lateness.Milliseconds(), MaxFuture: 5000, MaxDifferences: 1000,
		Found: func(Difference) {}, Progress: func(int64, int64) {}, ViewBars: 1000,
	}}
	engine := pipeline.Config{AllowedLateness: lateness, Indicators: &native{}, Symbols: []core.SymbolRule{{Pattern: "S2", PriceScale: -1, SizeScale: -1, AnyPrice: true}}}
	b.cfg.Rules = []Rule{{Pattern: "S2", PriceScale: -1, AnyPrice: true}}
	for _, name := range names {
		mine, err := ParseInterval(name)
		theirs, err2 := core.ParseInterval(name)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		b.cfg.Intervals, engine.Intervals = append(b.cfg.Intervals, mine), append(engine.Intervals, theirs)
	}
	r, err := pipeline.NewRehearsal(engine, "ticks", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range recs {
		outs, err := r.Record(&recs[i])
		if err != nil {
			t.Fatal(err)
		}
		b.take(outs)
		if decide == nil {
			continue
		}
		if d := decide(r, &recs[i]); d != nil {
			if outs, err = r.Decide(d); err != nil {
				t.Fatal(err)
			}
			b.take(outs)
		}
	}
	return b
}

func (b *bed) take(outs []kafka.Out) {
	for _, o := range outs {
		to := map[kafka.TopicKind]*[]kafka.Rec{kafka.Klines: &b.klines, kafka.Late: &b.late, kafka.DLQ: &b.dlq}[o.Topic]
		rec := kafka.Rec{Offset: int64(len(*to)), Timestamp: o.Timestamp, Key: append([]byte(nil), o.Key...), Value: append([]byte(nil), o.Value...)}
		for _, h := range o.Headers {
			rec.Headers = append(rec.Headers, kafka.Header{Key: h.Key, Value: append([]byte(nil), h.Value...)})
		}
		*to = append(*to, rec)
	}
}

// verify compares the topics of the bed.
func (b *bed) verify(t testing.TB) (*Report, []Difference) {
	t.Helper()
	var found []Difference
	cfg := b.cfg
	cfg.Found = func(d Difference) { found = append(found, d) }
	report := &Report{}
	from, to := int64(0), int64(0)
	if n := len(b.ticks); n > 0 {
		from, to = b.ticks[0].Offset, b.ticks[n-1].Offset+1
	}
	if b.to > 0 {
		to = b.to
	}
	a, err := newAuditor(&cfg, &Range{From: from, To: to, End: to}, report)
	if err != nil {
		t.Fatal(err)
	}
	a.oldest, a.cut, a.refusedFrom = b.oldest, b.cut, b.refusedFrom
	a.changes = newChanges(slices.Clone(b.changes), len(cfg.Intervals))
	feeds := []feed{&slice{recs: b.ticks}, &slice{recs: b.klines}, &slice{recs: b.late}, &slice{recs: b.dlq}}
	if err := a.walk(t.Context(), feeds, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	b.found = a
	return report, found
}

// equal fails unless the topics are found right.
func (b *bed) equal(t testing.TB) *Report {
	t.Helper()
	r, found := b.verify(t)
	if !r.Equal() {
		var text strings.Builder
		for i := range found[:min(len(found), 20)] {
			fmt.Fprintln(&text, found[i])
		}
		t.Fatalf("%+v\n%s", r.Tally, text.String())
	}
	return r
}

// native is the host of indicators of these tests.
type native struct {
	slots []nativeSlot
}

type nativeSlot struct {
	instance int
	state    []byte
}

func (*native) Instances() []pipeline.Instance {
	var out []pipeline.Instance
	for i := range instances {
		in := &instances[i]
		cfg := indicators.Cfg{Ind: in.ID, NParams: uint32(len(in.Params)), IntervalMS: 60_000}
		out = append(out, pipeline.Instance{Name: in.Name, Outputs: make([]string, in.Outputs), Version: in.Version, Warmup: int64(indicators.Warmup(&cfg, in.Params))})
	}
	return out
}

func (n *native) Open(_ int32, i int, ms int64) (pipeline.Slot, error) {
	cfg := indicators.Cfg{Ind: instances[i].ID, NParams: uint32(len(instances[i].Params)), IntervalMS: ms}
	state := make([]byte, indicators.StateSize(&cfg, instances[i].Params))
	indicators.Init(&cfg, instances[i].Params, state)
	n.slots = append(n.slots, nativeSlot{i, state})
	return pipeline.Slot(len(n.slots)), nil
}

func (*native) Close(int32, pipeline.Slot) {}

func (n *native) Apply(_ int32, jobs []pipeline.Job) error {
	for i := range jobs {
		j := &jobs[i]
		s := &n.slots[j.Slot-1]
		in := &instances[s.instance]
		bar := indicators.Bar{OpenTimeMS: j.Bar.OpenTime, Open: j.Bar.Open, High: j.Bar.High, Low: j.Bar.Low, Close: j.Bar.Close, Volume: j.Bar.Volume,
			QuoteVolume: j.Bar.QuoteVolume, Trades: uint32(j.Bar.N), Flags: indicators.FlagClosed | indicators.FlagHasTaker, TakerBuyVolume: j.Bar.TakerBuyVolume}
		bar.Src = bar.Close
		if in.Source == "hl2" {
			bar.Src = (bar.High + bar.Low) / 2
		}
		var row [16]float64
		j.Code = indicators.Update(in.ID, s.state, &bar, row[:])
		copy(j.Out, row[:in.Outputs])
		j.Degenerate = in.Degenerate && row[in.Outputs] != 0 && !math.IsNaN(row[in.Outputs])
		if j.Keep {
			j.State = append(j.State[:0], s.state...)
		}
	}
	return nil
}

func (n *native) State(_ int32, s pipeline.Slot, dst []byte) ([]byte, error) {
	return append(dst, n.slots[s-1].state...), nil
}

func (n *native) SetState(_ int32, s pipeline.Slot, state []byte) error {
	copy(n.slots[s-1].state, state)
	return nil
}

func (*native) EncodeState(dst []byte, _ int, _, _, _ int64, _ []byte) []byte { return dst }

func (*native) DecodeState(b []byte, _ int, _ int64) ([]byte, int64, int64, []byte, error) {
	return nil, 0, 0, b, pipeline.ErrIncompatibleState
}

var _ pipeline.Indicators = (*native)(nil)
