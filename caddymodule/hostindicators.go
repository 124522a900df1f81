package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// hostIndicators lets the pipeline compute with the modules of a host. It is
// the only place that knows both: the pipeline sees slots as numbers, the host
// sees bars as floats.
type hostIndicators struct {
	host      *wasmhost.Host
	instances []*wasmhost.Instance
	metas     []pipeline.Instance

	mu    sync.Mutex // protects parts and sizes; each part belongs to its worker
	parts map[int32]*slotTable
	sizes map[sizeKey]int
}

// sizeKey is what the length of a state depends on.
type sizeKey struct {
	instance   int
	intervalMS int64
}

// slotTable numbers the open slots of one partition, from 1.
type slotTable struct {
	shard *wasmhost.Shard
	slots []wasmhost.Slot
	free  []pipeline.Slot
	jobs  []wasmhost.Job // reused from batch to batch, as are the two below
	bars  []wasmhost.Bar
	carry []wasmhost.Carry
}

// errNoSlot is a mistake of the caller: the slot is not open.
var errNoSlot = errors.New("indicator slot is not open")

// newHostIndicators loads the module and resolves the instances.
func newHostIndicators(ctx context.Context, host *wasmhost.Host, module []byte, specs []string) (*hostIndicators, error) {
	if _, err := host.Load(ctx, module); err != nil {
		return nil, fmt.Errorf("loading the built-in module: %w", err)
	}
	h := &hostIndicators{host: host, parts: make(map[int32]*slotTable), sizes: make(map[sizeKey]int)}
	for _, spec := range specs {
		inst, err := host.Resolve(spec)
		if err != nil {
			return nil, fmt.Errorf("resolving compute: %w", err)
		}
		if slices.ContainsFunc(h.instances, func(i *wasmhost.Instance) bool { return i.Name == inst.Name }) {
			return nil, fmt.Errorf("resolving compute: %q and an earlier one are both %s", cut(spec), inst.Name)
		}
		h.instances = append(h.instances, inst)
		h.metas = append(h.metas, *metaOf(inst))
	}
	return h, nil
}

// metaOf describes an instance for readers.
func metaOf(inst *wasmhost.Instance) *pipeline.Instance {
	m := &pipeline.Instance{
		Name: inst.Name, Outputs: inst.Outputs, Version: inst.Ver,
		Module: inst.Module.Name, Warmup: inst.Warmup, Params: paramsOf(inst),
	}
	if m.Module == builtinModule {
		m.Profile = "talib"
	}
	return m
}

// paramsOf lets requests name parameters and leave out defaults.
func paramsOf(inst *wasmhost.Instance) []serve.Param {
	var out []serve.Param
	for i := range inst.Indicator.Params {
		p := &inst.Indicator.Params[i]
		out = append(out, serve.Param{Name: p.Name, Value: inst.Param(i), Default: p.DefaultText(), Numeric: p.Numeric()})
	}
	if src := inst.SourceName(); src != "" {
		out = append(out, serve.Param{Name: "src", Value: src, Default: wasmhost.Close.String()})
	}
	return out
}

// Instances implements pipeline.Indicators.
func (h *hostIndicators) Instances() []pipeline.Instance { return h.metas }

// table is that of partition p, whose worker is its only user.
func (h *hostIndicators) table(p int32) *slotTable {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.parts[p]
	if t == nil {
		t = &slotTable{shard: h.host.Shard(int(p))}
		h.parts[p] = t
	}
	return t
}

func (t *slotTable) slot(s pipeline.Slot) (wasmhost.Slot, error) {
	if s == 0 || s > pipeline.Slot(len(t.slots)) || t.slots[s-1] == (wasmhost.Slot{}) {
		return wasmhost.Slot{}, errNoSlot
	}
	return t.slots[s-1], nil
}

// Open implements pipeline.Indicators.
func (h *hostIndicators) Open(p int32, i int, intervalMS int64) (pipeline.Slot, error) {
	t := h.table(p)
	slot, err := t.shard.Open(h.instances[i], wasmhost.Series{IntervalMS: intervalMS})
	if err != nil {
		return 0, err
	}
	if n := len(t.free); n > 0 {
		s := t.free[n-1]
		t.free = t.free[:n-1]
		t.slots[s-1] = slot
		return s, nil
	}
	t.slots = append(t.slots, slot)
	return pipeline.Slot(len(t.slots)), nil
}

// Close implements pipeline.Indicators.
func (h *hostIndicators) Close(p int32, s pipeline.Slot) {
	t := h.table(p)
	slot, err := t.slot(s)
	if err != nil {
		return
	}
	t.slots[s-1] = wasmhost.Slot{}
	t.free = append(t.free, s)
	_ = t.shard.Close(slot) // the host may be closed already, and the slot with it
}

// Apply implements pipeline.Indicators. What goes wrong inside a module is the
// code of its job.
func (h *hostIndicators) Apply(p int32, jobs []pipeline.Job) error {
	t := h.table(p)
	if err := t.take(jobs); err != nil {
		return err
	}
	if err := t.shard.Apply(t.jobs); err != nil {
		return fmt.Errorf("applying %d bars to indicators: %w", len(jobs), err)
	}
	for i := range jobs {
		jobs[i].Code, jobs[i].Degenerate = t.jobs[i].RC, t.jobs[i].Degenerate
		if err := t.give(&jobs[i], &t.jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// give hands out the state that a job kept.
func (t *slotTable) give(to *pipeline.Job, from *wasmhost.Job) error {
	if !to.Keep {
		return nil
	}
	to.State = from.Carry.To
	if len(to.State) > 0 {
		return nil
	}
	size, err := t.shard.StateSize(from.Slot) // a slot whose module failed
	if err != nil {
		return fmt.Errorf("keeping the state of a failed indicator: %w", err)
	}
	to.State = append(to.State, make([]byte, size)...)
	return nil
}

// take makes the host's jobs of the pipeline's. The instances of one series
// come one after the other with equal bars, which then share one.
func (t *slotTable) take(jobs []pipeline.Job) error {
	t.jobs = slices.Grow(t.jobs[:0], len(jobs))[:len(jobs)]
	t.bars = slices.Grow(t.bars[:0], len(jobs)) // full size now: jobs point into them
	t.carry = slices.Grow(t.carry[:0], len(jobs))
	for i := range jobs {
		j := &jobs[i]
		slot, err := t.slot(j.Slot)
		if err != nil {
			return err
		}
		if i == 0 || j.Bar != jobs[i-1].Bar {
			t.bars = append(t.bars, hostBar(&j.Bar))
		}
		t.jobs[i] = wasmhost.Job{Slot: slot, Bar: &t.bars[len(t.bars)-1], Preview: j.Preview, Out: j.Out}
		if j.Keep {
			t.carry = append(t.carry, wasmhost.Carry{To: j.State[:0]})
			t.jobs[i].Carry = &t.carry[len(t.carry)-1]
		}
	}
	return nil
}

func hostBar(b *core.Bar) wasmhost.Bar {
	return wasmhost.Bar{
		OpenTime: b.OpenTime, Open: b.Open, High: b.High, Low: b.Low, Close: b.Close,
		Volume: b.Volume, QuoteVolume: b.QuoteVolume, TakerBuyVolume: b.TakerBuyVolume,
		Trades: uint32(min(max(b.N, 0), 1<<32-1)), // #nosec G115 -- bounded
		Flags:  wasmhost.FlagHasTaker,
	}
}

// State implements pipeline.Indicators. A slot whose module failed has no state
// that its bars would make of it; zeros of the same length stand for it, which
// the pipeline marks as failed and never continues.
func (h *hostIndicators) State(p int32, s pipeline.Slot, dst []byte) ([]byte, error) {
	t := h.table(p)
	slot, err := t.slot(s)
	if err != nil {
		return dst, err
	}
	out, err := t.shard.Read(slot, dst)
	if _, failed := errors.AsType[*wasmhost.SlotError](err); failed {
		size, err := t.shard.StateSize(slot)
		return append(dst, make([]byte, max(size, 0))...), err
	}
	return out, err
}

// SetState implements pipeline.Indicators.
func (h *hostIndicators) SetState(p int32, s pipeline.Slot, state []byte) error {
	t := h.table(p)
	slot, err := t.slot(s)
	if err != nil {
		return err
	}
	return t.shard.Write(slot, state)
}

// EncodeState implements pipeline.Indicators.
func (h *hostIndicators) EncodeState(dst []byte, i int, intervalMS, lastOpen, n int64, state []byte) []byte {
	snap := h.instances[i].Snapshot(wasmhost.Series{IntervalMS: intervalMS}, lastOpen, uint64(max(n, 0)), state) // #nosec G115 -- not negative
	out, err := wasmhost.EncodeSnapshot(dst, &snap)
	if err != nil {
		return dst // only a state that is empty or longer than any module may have
	}
	return out
}

// DecodeState implements pipeline.Indicators.
func (h *hostIndicators) DecodeState(b []byte, i int, intervalMS int64) (state []byte, lastOpen, n int64, rest []byte, err error) {
	snap, rest, err := wasmhost.DecodeSnapshot(b)
	if err != nil {
		return nil, 0, 0, b, err
	}
	if i < 0 || i >= len(h.instances) {
		return nil, 0, 0, rest, fmt.Errorf("%w: the instance is not configured any more", pipeline.ErrIncompatibleState)
	}
	inst, series := h.instances[i], wasmhost.Series{IntervalMS: intervalMS}
	size, err := h.stateSize(i, series)
	if err != nil {
		return nil, 0, 0, rest, err
	}
	if err := inst.Accepts(&snap, series, size); err != nil {
		return nil, 0, 0, rest, fmt.Errorf("%w: %w", pipeline.ErrIncompatibleState, err)
	}
	return snap.State, snap.OpenTime, int64(snap.Bars), rest, nil // #nosec G115 -- written from an int64
}

// stateSize asks the module once per instance and interval: a restore of ten
// thousand series would otherwise call into the guest as often.
func (h *hostIndicators) stateSize(i int, series wasmhost.Series) (int, error) {
	key := sizeKey{i, series.IntervalMS}
	h.mu.Lock()
	size, ok := h.sizes[key]
	h.mu.Unlock()
	if ok {
		return size, nil
	}
	_, size, err := h.host.Measure(h.instances[i], series)
	if err != nil {
		return 0, err
	}
	h.mu.Lock()
	h.sizes[key] = size
	h.mu.Unlock()
	return size, nil
}
