package indicators

import "unsafe"

// JobSize is the length of Job in bytes.
const JobSize = 32

// Job asks for the updates of one series in a batch, in the layout of the ABI.
// Addresses count from the beginning of the memory that holds everything.
type Job struct {
	Ind       uint32 // indicator id
	State     uint32 // address of the slot
	Bars      uint32 // address of the first Bar
	NBars     uint32 // in: bars to do; out, after an error: bars done
	BarStride uint32 // bytes from bar to bar, >= BarSize
	Out       uint32 // address of the first output row
	OutStride uint32 // bytes from row to row; 0 = each bar overwrites the row
	RC        int32  // out: result of the last bar; untouched without bars
}

// RunJobs does n jobs in order. Their array lies at jobs and every address in
// them counts from base: address 0 in a guest, the start of a test's memory
// natively. A failed job does not stop the others; its own RC tells.
func RunJobs(base, jobs unsafe.Pointer, n uint32) int32 {
	for i := uint32(0); i < n; i++ {
		j := (*Job)(unsafe.Add(jobs, i*JobSize))
		state := unsafe.Add(base, j.State)
		if j.NBars != 1 || j.BarStride < BarSize || (*head)(state).ind != j.Ind {
			run(base, j)
			continue
		}
		j.RC = step(j.Ind, state, (*Bar)(unsafe.Add(base, j.Bars)), unsafe.Add(base, j.Out))
		if j.RC < 0 {
			j.NBars = 0
		}
	}
	return 0
}

// run does the bars of one job until one fails.
func run(base unsafe.Pointer, j *Job) {
	if j.BarStride < BarSize {
		j.NBars = 0
		j.RC = ErrInput
		return
	}
	state := unsafe.Add(base, j.State)
	if (*head)(state).ind != j.Ind {
		j.NBars = 0
		j.RC = wrongState(j.Ind)
		return
	}
	bar := unsafe.Add(base, j.Bars)
	out := unsafe.Add(base, j.Out)
	for i := uint32(0); i < j.NBars; i++ {
		rc := step(j.Ind, state, (*Bar)(bar), out)
		j.RC = rc
		if rc < 0 {
			j.NBars = i
			return
		}
		bar = unsafe.Add(bar, j.BarStride)
		out = unsafe.Add(out, j.OutStride)
	}
}
