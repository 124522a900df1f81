package vet

import (
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

const (
	timedBars   = 2_000
	timedSeries = 200
	timedRounds = 10
	timedChunk  = 500
)

// measure fills in what one bar costs in time. It finds nothing.
func (v *vetter) measure(s *subject) error {
	if v.opt.Now == nil {
		return nil
	}
	r, err := v.rig()
	if err != nil {
		return err
	}
	f := v.figure(s)
	if f.NSSingle, err = v.single(r, s); err != nil || !r.g.Has("kl_update_batch") {
		return err
	}
	r.free()
	if f.NSBatch, err = v.batch(r, s); err != nil {
		return err
	}
	r.free()
	f.NSBackfill, err = v.backfill(r, s)
	return err
}

// single is one kl_update a bar.
func (v *vetter) single(r *rig, s *subject) (float64, error) {
	at, err := r.slot(s)
	if err != nil {
		return 0, err
	}
	bars := r.putBars(s, v.market[:timedChunk], wasmhost.BarSize)
	r.prefill(s.outputs)
	from := v.now()
	for i := range timedBars {
		bar := bars + uint32(i%timedChunk)*wasmhost.BarSize
		if _, err := r.g.Call("kl_update", v.barFuel, uint64(s.ind.ID), uint64(at), uint64(bar), uint64(r.io+atRow)); err != nil {
			return 0, trapped("kl_update", err)
		}
		if err := v.often(); err != nil {
			return 0, err
		}
	}
	return perBar(v.now().Sub(from), timedBars), nil
}

// batch is many series with one bar each.
func (v *vetter) batch(r *rig, s *subject) (float64, error) {
	n := min(timedSeries, region/(s.size+3*zone), int(wasmhost.FuelUploadBatch/max(s.fuelMax, 1)))
	if n == 0 {
		return 0, nil
	}
	rows := r.blankRows(s.outputs, n, rowSize)
	jobs := make([]job, n)
	for i := range jobs {
		at, err := r.slot(s)
		if err != nil {
			return 0, err
		}
		jobs[i] = job{s: s, state: at, n: 1, wide: wasmhost.BarSize, row: rows + uint32(i)*rowSize}
	}
	bars := r.putBars(s, v.market[:timedChunk], wasmhost.BarSize)
	var took time.Duration
	for round := range timedRounds {
		for i := range jobs {
			jobs[i].bars = bars + uint32((round+i)%timedChunk)*wasmhost.BarSize
		}
		d, err := r.timed(jobs)
		if err != nil {
			return 0, err
		}
		took += d
	}
	return perBar(took, n*timedRounds), nil
}

// backfill is one series with many bars.
func (v *vetter) backfill(r *rig, s *subject) (float64, error) {
	at, err := r.slot(s)
	if err != nil {
		return 0, err
	}
	n := min(timedChunk, int(wasmhost.FuelUploadBatch/max(s.fuelMax, 1)))
	if n == 0 {
		return 0, nil
	}
	j := job{s: s, state: at, n: uint32(n), wide: wasmhost.BarSize, step: rowSize}
	j.bars, j.row = r.putBars(s, v.market[:n], wasmhost.BarSize), r.blankRows(s.outputs, n, rowSize)
	var took time.Duration
	for range timedRounds {
		d, err := r.timed([]job{j})
		if err != nil {
			return 0, err
		}
		took += d
	}
	return perBar(took, n*timedRounds), nil
}

// timed runs a batch and gives the time of the call alone.
func (r *rig) timed(jobs []job) (time.Duration, error) {
	if err := r.v.alive(); err != nil {
		return 0, err
	}
	for i, j := range jobs {
		wasmhost.PutJob(r.view(r.io+atJobs+uint32(i)*wasmhost.JobSize, wasmhost.JobSize), j.s.ind.ID, j.state, j.bars, j.n, j.wide, j.row, j.step)
	}
	from := r.v.now()
	if _, err := r.g.Call("kl_update_batch", wasmhost.FuelUploadBatch, uint64(r.io+atJobs), uint64(len(jobs))); err != nil {
		return 0, trapped("kl_update_batch", err)
	}
	return r.v.now().Sub(from), nil
}

func perBar(d time.Duration, bars int) float64 {
	return float64(d.Nanoseconds()*100/int64(bars)) / 100
}
