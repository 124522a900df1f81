package schedule

type stage int

const (
	loading    stage = iota // reads the checkpoint and the journal
	announcing              // idempotent: writes its start
	reading                 // idempotent: reads the journal up to its start
	running
	stuck // the partition has failed
)

// worker owns one partition in one incarnation.
type worker struct {
	n     *node
	p     int
	stage stage
	m     *machine

	count      counter // of the journal, while restoring
	journalEnd int64   // read up to here
	startAt    int64   // offset of our start
	pending    pending
	jnext      int64 // journal offset behind the last record read or written

	pos     int64            // of the next fetch
	waiting bool             // the last fetch reached the end
	since   int64            // when it began to run, ms
	heard   map[string]int64 // when a heartbeat of each source was read
	decided map[string]int64 // when a decision about it was taken

	judged   []string // sources whose age was looked at in the batch at judgedAt
	judgedAt int64
	deciding *decision // idempotent: acknowledged, has not acted
	unit     *unit     // under way
	asked    bool      // a checkpoint is wanted
	to       int64     // of the last checkpoint, -1: none
	snapN    int64     // the last decision in it
	changed  bool      // the checkpoint was made by other rules
	silent   published // what stands on the topics already

	share     share // in the open transaction
	committed int64 // offset of the last one
	releasing bool  // the group wants it elsewhere
}

// where tells at which point of the order of writes a crash would come.
func (w *worker) where() Fault {
	switch {
	case w.stage < running:
		return CrashInRestore
	case w.stage == stuck:
		return CrashIdle
	case w.deciding != nil:
		return CrashBeforeAct
	case w.unit != nil:
		return w.unit.where()
	case len(w.m.outs) > 0:
		return CrashUnwritten
	}
	return CrashIdle
}

func (w *worker) ready() bool {
	return w.stage == running && w.deciding == nil && !w.asked && !w.releasing
}

// actPending acts on what was decided before this incarnation, up to offset.
// False: the partition has failed.
func (w *worker) actPending(offset int64) bool {
	for {
		d, ok := w.pending.due(offset)
		if !ok {
			return w.stage == running
		}
		// Below the checkpoint there is nothing to compare: a checkpoint that
		// landed late may be ahead of the start of the incarnation after its own.
		here := d.at >= w.m.eng.Next() || w.n.w.opt.Mutant.PlaceBelow
		if here && w.m.last.offset >= 0 && d.lo >= 0 && w.m.last != (lastRecord{d.lo, d.lc}) {
			w.n.w.violate("decision %d of partition %d was taken behind record %d, here record %d stands before it", d.n, w.p, d.lo, w.m.last.offset)
			w.stage = stuck
			return false
		}
		before := len(w.m.outs)
		w.act(&d)
		if d.offset < w.silent.jn {
			w.hush(before)
		}
	}
}

// hush takes back the outputs from index on: they are numbered, and they stand
// on their topics.
func (w *worker) hush(from int) {
	if !w.n.w.opt.Mutant.NoSilence {
		w.m.outs = w.m.outs[:from]
	}
}

// replaying tells whether the worker is behind what was published before it, or
// has decisions to act on that somebody took before it.
func (w *worker) replaying() bool { return w.m.eng.Next() < w.silent.to || len(w.pending) > 0 }

func (w *worker) act(d *decision) {
	if err := w.m.act(d); err != nil {
		w.n.w.violate("acting on decision %d of partition %d: %w", d.n, w.p, err)
		w.stage = stuck
	}
}
