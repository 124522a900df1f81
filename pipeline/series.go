package pipeline

import (
	"sort"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// series is what the value set keeps of one symbol and interval.
type series struct {
	interval int
	states   []state
	// bars are the closed bars after the oldest mark, in order of open time.
	bars []kept
	// count is the number of bars ever consumed; the last of bars has it as
	// its ordinal.
	count   int64
	spacing int64 // closed bars between two marks
}

// kept is a closed bar that may have to be run again.
type kept struct {
	bar core.Bar
	end int64 // exclusive, ms
}

// state is one instance on one series.
type state struct {
	slot   Slot
	n      int64 // bars consumed since the seed
	seq    int64 // values published, restated ones included
	failed bool
	marks  []mark
	spare  []byte // memory of a dropped mark
}

// mark is the state of an instance after the bar that opened at open.
type mark struct {
	n         int64
	open, end int64
	failed    bool
	state     []byte
}

func (s *state) reuse() []byte {
	b := s.spare[:0]
	s.spare = nil
	return b
}

func (s *series) push(k kept) {
	s.bars = append(s.bars, k)
	s.count++
}

// due tells whether the states after bar b are to be kept.
func (s *series) due(b int) bool {
	return (s.count-int64(len(s.bars))+int64(b)+1)%s.spacing == 0
}

// job is bar b for the state st, with the state after it if that is due.
func (s *series) job(st *state, b int, out []float64) Job {
	j := Job{Slot: st.slot, Bar: s.bars[b].bar, Out: out}
	if s.due(b) {
		j.Keep, j.State = true, st.reuse()
	}
	return j
}

// keep takes the state that was due after bar b.
func (s *series) keep(st *state, b int, j *Job) {
	if j.Keep {
		st.marks = append(st.marks, mark{n: st.n, open: s.bars[b].bar.OpenTime, end: s.bars[b].end, failed: st.failed, state: j.State})
	}
}

// prune forgets marks and bars that no late trade can reach any more: those
// before the newest mark whose bar ended before horizon (ms).
func (s *series) prune(horizon int64) {
	marks := s.states[0].marks
	keep := -1
	for i := len(marks) - 1; i >= 0; i-- {
		if marks[i].end < horizon {
			keep = i
			break
		}
	}
	if keep < 0 {
		return
	}
	open := marks[keep].open
	for i := range s.states {
		st := &s.states[i]
		// By the bar, not by the index: an instance that came with a later
		// configuration has no mark before the oldest kept bar.
		if j := st.before(open + 1); j > 0 && st.marks[j].open == open {
			st.spare = st.marks[0].state
			st.marks = append(st.marks[:0], st.marks[j:]...)
		}
	}
	from := sort.Search(len(s.bars), func(i int) bool { return s.bars[i].bar.OpenTime > open })
	if from > 0 {
		s.bars = append(s.bars[:0], s.bars[from:]...)
	}
}

// put replaces the bar with the same open time, or inserts one that was born
// after its bucket had closed, and returns its index.
func (s *series) put(k kept) int {
	i := sort.Search(len(s.bars), func(i int) bool { return s.bars[i].bar.OpenTime >= k.bar.OpenTime })
	if i < len(s.bars) && s.bars[i].bar.OpenTime == k.bar.OpenTime {
		s.bars[i] = k
		return i
	}
	s.push(kept{})
	copy(s.bars[i+1:], s.bars[i:])
	s.bars[i] = k
	return i
}

// before returns the index of the newest mark before the bar that opens at
// open, -1 for the state before the first bar.
func (s *state) before(open int64) int {
	return sort.Search(len(s.marks), func(i int) bool { return s.marks[i].open >= open }) - 1
}
