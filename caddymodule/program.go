package caddymodule

import (
	"sync"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// program is one instance of a module in the host of demand.
type program struct {
	demand *demand
	host   *wasmhost.Host
	inst   *wasmhost.Instance
	meta   *serve.InstanceMeta
}

// Meta implements serve.Program.
func (p *program) Meta() *serve.InstanceMeta { return p.meta }

// Start implements serve.Program.
func (p *program) Start(intervalMS int64) (serve.Cursor, error) {
	shard := p.demand.next(p.host)
	slot, err := shard.Open(p.inst, wasmhost.Series{IntervalMS: intervalMS})
	if err != nil {
		return nil, err
	}
	return &cursor{shard: shard, slot: slot}, nil
}

// cursor is a slot of the host.
type cursor struct {
	shard *wasmhost.Shard
	slot  wasmhost.Slot

	mu     sync.Mutex // protects bars and closed
	bars   []wasmhost.Bar
	closed bool
}

// Run implements serve.Cursor.
func (c *cursor) Run(bars []core.Bar, out []float64, degenerate []bool) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, errNoSlot
	}
	c.bars = c.bars[:0]
	for i := range bars {
		c.bars = append(c.bars, hostBar(&bars[i]))
	}
	return c.shard.Backfill(c.slot, c.bars, out, degenerate)
}

// Preview implements serve.Cursor.
func (c *cursor) Preview(bar core.Bar, out []float64) (degenerate bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, errNoSlot
	}
	b := hostBar(&bar)
	job := [1]wasmhost.Job{{Slot: c.slot, Bar: &b, Preview: true, Out: out}}
	if err := c.shard.Apply(job[:]); err != nil {
		return false, err
	}
	if job[0].RC < 0 {
		return false, errNoPreview
	}
	return job[0].Degenerate, nil
}

// Close implements serve.Cursor.
func (c *cursor) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		_ = c.shard.Close(c.slot) // the host may be closed already, and the slot with it
	}
}
