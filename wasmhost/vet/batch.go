package vet

import (
	"bytes"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

const (
	batchSeries = 7
	wideBar     = wasmhost.BarSize + 16 // as a later minor version may have it
)

// batched is V11: many series in a call, and history in chunks of any size,
// give what single calls give.
func (v *vetter) batched(s *subject) error {
	r, err := v.rig()
	if err != nil {
		return err
	}
	if !r.g.Has("kl_update_batch") {
		return nil
	}
	if err := v.manySeries(r, s); err != nil {
		return err
	}
	for _, chunk := range []int{1, 3, 17, 64, 500} {
		r.free()
		if err := v.chunks(r, s, chunk); err != nil {
			return err
		}
	}
	r.free()
	return v.lastRow(r, s)
}

// job is one job of a batch and what it has to leave.
type job struct {
	s     *subject
	state uint32
	bars  uint32
	n     uint32
	wide  uint32 // bar stride
	row   uint32
	step  uint32 // out stride
}

// batch runs jobs in one call and checks what they leave in the job array.
func (r *rig) batch(jobs []job, bar int) error {
	if err := r.v.alive(); err != nil {
		return err
	}
	for i, j := range jobs {
		wasmhost.PutJob(r.view(r.io+atJobs+uint32(i)*wasmhost.JobSize, wasmhost.JobSize), j.s.ind.ID, j.state, j.bars, j.n, j.wide, j.row, j.step)
	}
	all := uint32(len(jobs)) * wasmhost.JobSize
	r.poison(r.io+atJobs+all, wasmhost.JobSize)
	before := bytes.Clone(r.view(r.io+atJobs, all))
	budget := min(wasmhost.FuelUploadBatch, r.v.barFuel*int64(totalBars(jobs)))
	budget = max(budget, r.v.barFuel)
	size, calls := len(r.g.Memory()), r.g.SystemCalls()
	got, err := r.g.Call("kl_update_batch", budget, uint64(r.io+atJobs), uint64(len(jobs)))
	r.v.fuel += r.g.Used()
	if err != nil {
		return trapped("kl_update_batch", err)
	}
	s := jobs[0].s
	if rc := int32(uint32(got)); rc != 0 {
		return faultf(CodeBatchRC, "kl_update_batch returns %d instead of 0", rc).at(bar)
	}
	if len(r.g.Memory()) > size {
		r.v.found(s, "V13", CodeGrew, bar, 0, "the memory grows from %d to %d bytes in kl_update_batch", size, len(r.g.Memory()))
	}
	if r.g.SystemCalls() > calls {
		r.v.found(s, "V13", CodeSystem, bar, 0, "kl_update_batch calls a function of the system")
	}
	for i := range jobs {
		j := r.view(r.io+atJobs+uint32(i)*wasmhost.JobSize, wasmhost.JobSize)
		n, rc := wasmhost.JobResult(j)
		if rc == wasmhost.UnsetResult || rc > 1 || rc < 0 || n != jobs[i].n {
			return faultf(CodeBatchRC, "job %d of %d says rc %d after %d of %d bars", i+1, len(jobs), rc, n, jobs[i].n).at(bar)
		}
		copy(before[i*wasmhost.JobSize+28:][:4], j[28:])
	}
	if k := firstDifference(before, r.view(r.io+atJobs, all)); k >= 0 {
		r.v.found(s, "V10", CodeInput, bar, k, "kl_update_batch changes byte %d of job %d", k%wasmhost.JobSize, k/wasmhost.JobSize+1)
	}
	if k := r.intact(r.io+atJobs+all, wasmhost.JobSize); k >= 0 {
		r.v.found(s, "V10", CodeInput, bar, 0, "kl_update_batch writes behind its last job")
	}
	return nil
}

func totalBars(jobs []job) int {
	n := 0
	for _, j := range jobs {
		n += int(j.n)
	}
	return n
}

// putBars writes bars with a stride; between them is poison.
func (r *rig) putBars(s *subject, bars []wasmhost.Bar, stride uint32) uint32 {
	at := r.io + atBars
	r.poison(at, stride*uint32(len(bars)))
	for i := range bars {
		wasmhost.PutBar(r.view(at+uint32(i)*stride, wasmhost.BarSize), &bars[i], s.source(&bars[i]), true)
	}
	return at
}

// blankRows prepares rows with a stride; between them is poison.
func (r *rig) blankRows(outputs, n int, stride uint32) uint32 {
	at := r.io + atRows
	r.poison(at, stride*uint32(n)+zone)
	for i := range n {
		r.blankRow(at+uint32(i)*stride, outputs)
	}
	return at
}

// manySeries runs series that are at different bars, of different parameters,
// in one call each time.
func (v *vetter) manySeries(r *rig, s *subject) error {
	kinds := v.subjects[s.ind.Name]
	var jobs []job
	for i := range batchSeries {
		k := kinds[i%min(2, len(kinds))]
		if r.next+uint32(k.size)+3*zone > region {
			break
		}
		at, err := r.slot(k)
		if err != nil {
			return err
		}
		jobs = append(jobs, job{s: k, state: at, n: 1, wide: wasmhost.BarSize})
	}
	stride := uint32(s.outputs)*8 + 8
	for i := range shortRun {
		// Job k does not run before bar k: the series are at different places.
		now := jobs[:min(len(jobs), i+1)]
		rows := r.blankRows(s.outputs, len(now), stride)
		for k := range now {
			at := i - k
			bar := r.io + atBars + uint32(k)*wasmhost.BarSize
			wasmhost.PutBar(r.view(bar, wasmhost.BarSize), &v.market[at], s.source(&v.market[at]), true)
			now[k].bars, now[k].row = bar, rows+uint32(k)*stride
		}
		if err := r.batch(now, i+1); err != nil {
			return err
		}
		for k := range now {
			_, rc := wasmhost.JobResult(r.view(r.io+atJobs+uint32(k)*wasmhost.JobSize, wasmhost.JobSize))
			got := canonical(r.view(now[k].row, rowSize), s.outputs, rc, nil, 0)
			if !v.compare(now[k].s, "V11", CodeBatch, i-k, got, "a batch of many series gives other values than single calls") {
				return nil
			}
			r.gap(s, now[k].row, stride, i+1)
		}
	}
	return nil
}

// gap looks at the bytes between two rows.
func (r *rig) gap(s *subject, at, stride uint32, bar int) {
	used := uint32(s.outputs) * 8
	if k := r.intact(at+used, stride-used); k >= 0 {
		r.v.found(s, "V10", CodeRow, bar, int(used)+k, "kl_update_batch writes to byte %d of a row of %d outputs", int(used)+k, s.outputs)
	}
}

// chunks runs history in calls of so many bars.
func (v *vetter) chunks(r *rig, s *subject, chunk int) error {
	at, err := r.slot(s)
	if err != nil {
		return err
	}
	stride := uint32(s.outputs)*8 + 24
	n := s.few()
	if chunk == 1 {
		n = min(n, shortRun)
	}
	for from := 0; from < n; from += chunk {
		bars := v.market[from:min(from+chunk, n)]
		j := job{s: s, state: at, n: uint32(len(bars)), wide: wideBar, step: stride}
		j.bars, j.row = r.putBars(s, bars, wideBar), r.blankRows(s.outputs, len(bars), stride)
		// A chunk that could run out of fuel as a whole says nothing about its bars.
		if int64(len(bars))*s.fuelMax > wasmhost.FuelUploadBatch {
			return nil
		}
		if err := r.batch([]job{j}, from+1); err != nil {
			return err
		}
		_, last := wasmhost.JobResult(r.view(r.io+atJobs, wasmhost.JobSize))
		for i := range bars {
			rc := s.rows[from+i].rc // of the bars before the last nobody is told
			if i == len(bars)-1 {
				rc = last
			}
			row := j.row + uint32(i)*stride
			if !v.compare(s, "V11", CodeBatch, from+i, canonical(r.view(row, rowSize), s.outputs, rc, nil, 0), "history in chunks gives other values than bar by bar") {
				return nil
			}
			r.gap(s, row, stride, from+i+1)
		}
	}
	return nil
}

// lastRow runs history with an output stride of 0: the last row stays.
func (v *vetter) lastRow(r *rig, s *subject) error {
	at, err := r.slot(s)
	if err != nil {
		return err
	}
	n := min(s.few(), 100)
	if int64(n)*s.fuelMax > wasmhost.FuelUploadBatch {
		return nil
	}
	j := job{s: s, state: at, n: uint32(n), wide: wasmhost.BarSize}
	j.bars, j.row = r.putBars(s, v.market[:n], wasmhost.BarSize), r.blankRows(s.outputs, 1, rowSize)
	if err := r.batch([]job{j}, n); err != nil {
		return err
	}
	_, rc := wasmhost.JobResult(r.view(r.io+atJobs, wasmhost.JobSize))
	v.compare(s, "V11", CodeBatch, n-1, canonical(r.view(j.row, rowSize), s.outputs, rc, nil, 0), "with an out_stride of 0 the row has not the values of the last bar")
	r.gap(s, j.row, rowSize+zone, n)
	return nil
}
