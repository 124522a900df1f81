package core

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The schedules run one partition against a log in memory: records arrive, the
// engine crashes at any point of a unit, restores, repeats, decides, loses
// outputs on the way. Whatever survives on the output log must be what one
// engine computes that reads records and decisions once, in order.

// logged is a record of the output log.
type logged struct {
	so   int64
	sk   int
	text string
}

// journaled is a decision with the offset before which it acts.
type journaled struct {
	at int64
	op Op
}

// checkpoint is one record of the state log.
type checkpoint struct {
	state   []byte
	next    int64
	acted   int // journal records that have acted
	ordinal ordinals
}

// ordinals numbers outputs of one input offset, decisions before the record.
type ordinals struct {
	so int64
	n  int
}

func (o *ordinals) next(so int64) int {
	if so != o.so {
		o.so, o.n = so, 0
	}
	o.n++
	return o.n - 1
}

// bed is the world that outlives a crash.
type bed struct {
	cfg      Config
	rng      *rand.Rand
	input    []event
	offsets  []int64 // of input, with holes
	journal  []journaled
	output   []logged // with repeats
	saved    checkpoint
	crashes  int
	repeated int
}

// node is one incarnation.
type node struct {
	b       *bed
	e       *Engine
	at      int // index into input
	acted   int
	ordinal ordinals
	out     Outputs
	pending []logged
}

func (b *bed) start(tb testing.TB) *node {
	tb.Helper()
	n := &node{b: b, e: mustNew(tb, b.cfg), acted: b.saved.acted, ordinal: b.saved.ordinal}
	if b.saved.state != nil {
		if err := n.e.Restore(b.saved.state); err != nil {
			tb.Fatal(err)
		}
	}
	for n.at < len(b.offsets) && b.offsets[n.at] < n.e.Next() {
		n.at++
	}
	return n
}

// collect turns what the last step put out into log records.
func (n *node) collect() {
	for _, it := range n.out.Items {
		l := logged{}
		if it.Diverted {
			d := &n.out.Diverted[it.Index]
			l.so, l.text = d.So, fmt.Sprintf("%v %s %d %s", d.Reason, d.Field, d.Index, d.Symbol)
		} else {
			k := &n.out.Klines[it.Index]
			l.so, l.text = k.So, fmt.Sprintf("%s wm=%d src=%d..%d", klineLine(k), k.Watermark, k.O0, k.O1)
		}
		l.sk = n.ordinal.next(l.so)
		n.pending = append(n.pending, l)
	}
	n.out.Reset()
}

// decisions acts on what stands in the journal for the present offset.
func (n *node) decisions(tb testing.TB) {
	for n.acted < len(n.b.journal) && n.b.journal[n.acted].at <= n.e.Next() {
		d := n.b.journal[n.acted]
		if err := n.e.Act(d.at, d.op, &n.out); err != nil {
			tb.Fatal(err)
		}
		n.acted++
		n.collect()
	}
}

// read applies up to limit records that have arrived.
func (n *node) read(tb testing.TB, arrived, limit int) {
	for ; limit > 0 && n.at < arrived; limit-- {
		n.decisions(tb)
		if err := apply(n.e, n.b.offsets[n.at], n.b.input[n.at], &n.out); err != nil {
			tb.Fatal(err)
		}
		n.at++
		n.collect()
	}
	n.decisions(tb)
}

// decide appends a decision to the journal. It acts with the next read, or, if
// the node dies first, in the life after this one.
func (n *node) decide(clock int64) {
	for _, s := range n.e.Sources() {
		op, ok := n.e.IdleOp(s.Name, clock)
		if !ok {
			op, ok = n.e.LivenessOp(s.Name, s.EventTimestamp, clock, true)
		}
		if ok {
			n.b.journal = append(n.b.journal, journaled{n.e.Next(), op})
			return
		}
	}
}

// publish writes the pending outputs, and a checkpoint behind them. A crash may
// cut it anywhere; then it reports false.
func (n *node) publish(crash bool) bool {
	if crash && n.b.rng.IntN(3) > 0 {
		n.b.output = append(n.b.output, n.pending[:n.b.rng.IntN(len(n.pending)+1)]...)
		return false
	}
	n.b.output = append(n.b.output, n.pending...)
	n.pending = n.pending[:0]
	if crash {
		return false
	}
	n.b.saved = checkpoint{n.e.Snapshot(nil), n.e.Next(), n.acted, n.ordinal}
	return true
}

func runSchedule(tb testing.TB, seed uint64) *bed {
	tb.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	cfg := testConfig(tb, "1s", "5s", "1m")
	cfg.AllowedLateness = 5000
	b := &bed{cfg: cfg, rng: rng}
	b.drawInput(60)
	n, arrived := b.start(tb), 0
	for n.at < len(b.input) || n.acted < len(b.journal) {
		switch rng.IntN(8) {
		case 0, 1, 2:
			arrived = min(len(b.input), arrived+rng.IntN(6))
		case 3:
			if n.at == arrived && n.at > 0 && n.acted == len(b.journal) {
				n.decide(b.input[n.at-1].ts + rng.Int64N(900_000))
			}
		case 4:
			if !n.publish(rng.IntN(2) == 0) {
				n = b.start(tb)
				b.crashes++
			}
		default:
			n.read(tb, arrived, 1+rng.IntN(5))
		}
	}
	n.publish(false)
	return b
}

// drawInput draws trades and heartbeats of two sources, with disorder,
// duplicates, garbage and holes in the offsets.
func (b *bed) drawInput(n int) {
	now, offset, id := t0*1_000_000, b.rng.Int64N(100), 0
	for range n {
		offset += 1 + b.rng.Int64N(4)/3
		now += b.rng.Int64N(1_500_000_000)
		source := [...]string{"x", "y"}[b.rng.IntN(2)]
		ev := event{source: source, ts: now / 1_000_000}
		if b.rng.IntN(10) == 0 {
			ev.hb = ev.ts - b.rng.Int64N(3000)
		} else {
			for range 1 + b.rng.IntN(2) {
				id++
				tr := testTrade{
					symbol: source + itoa(b.rng.IntN(2)), price: fmt.Sprintf("%d.%d", 1+b.rng.IntN(99), b.rng.IntN(1000)),
					size: fmt.Sprintf("0.%d", 1+b.rng.IntN(999)), id: itoa(id - b.rng.IntN(3)/2), ns: now - b.rng.Int64N(2)*b.rng.Int64N(9_000_000_000),
					seq: int64(id), side: Side(b.rng.IntN(3)),
				}
				if b.rng.IntN(15) == 0 {
					tr.price = "0"
				}
				ev.trades = append(ev.trades, tr)
			}
		}
		b.input, b.offsets = append(b.input, ev), append(b.offsets, offset)
	}
}

// accepted applies the reader rule to the output log; a repeat must be equal to
// what it repeats.
func (b *bed) accepted(tb testing.TB) []logged {
	tb.Helper()
	var out []logged
	at := map[[2]int64]string{}
	for _, l := range b.output {
		key := [2]int64{l.so, int64(l.sk)}
		if first, ok := at[key]; ok {
			if first != l.text {
				tb.Fatalf("position %v was written as\n%s\nand then as\n%s", key, first, l.text)
			}
			b.repeated++
			continue
		}
		if n := len(out); n > 0 && (l.so < out[n-1].so || (l.so == out[n-1].so && l.sk <= out[n-1].sk)) {
			tb.Fatalf("position %v behind %d/%d", key, out[n-1].so, out[n-1].sk)
		}
		at[key] = l.text
		out = append(out, l)
	}
	return out
}

// replay is the reference: every record and every decision once.
func (b *bed) replay(tb testing.TB) ([]logged, []byte) {
	tb.Helper()
	n := &node{b: b, e: mustNew(tb, b.cfg)}
	n.read(tb, len(b.input), len(b.input))
	return n.pending, n.e.Snapshot(nil)
}

func TestSchedulesEqualTheirReplay(t *testing.T) {
	seeds := uint64(2_000) // make sim runs many more, of the whole of a node
	if testing.Short() {
		seeds = 500
	}
	crashes, repeated, decisions, klines := 0, 0, 0, 0
	for seed := range seeds {
		b := runSchedule(t, seed)
		got := b.accepted(t)
		want, state := b.replay(t)
		if len(got) != len(want) {
			t.Fatalf("seed %d: %d records on the log, the replay has %d", seed, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("seed %d: record %d is\n%+v\nthe replay has\n%+v", seed, i, got[i], want[i])
			}
		}
		if !bytes.Equal(state, b.saved.state) {
			t.Fatalf("seed %d: state differs from the replay's", seed)
		}
		crashes, repeated = crashes+b.crashes, repeated+b.repeated
		decisions, klines = decisions+len(b.journal), klines+len(want)
	}
	// A schedule that never crashes, repeats or decides shows nothing.
	if crashes < int(seeds) || repeated < int(seeds) || decisions < int(seeds)/2 || klines < 20*int(seeds) {
		t.Fatalf("%d schedules: %d crashes, %d repeats, %d decisions, %d outputs", seeds, crashes, repeated, decisions, klines)
	}
	t.Logf("%d schedules: %d crashes, %d repeats, %d decisions, %d outputs", seeds, crashes, repeated, decisions, klines)
}
