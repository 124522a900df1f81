package pipeline

import "github.com/caddy-kline/caddy-kline/pipeline/kafka"

// silence is the part of the log that a restored partition goes through again
// without publishing: its snapshot is older than what was committed, and the
// same records and decisions make the same outputs. They are numbered as before,
// since positions go on from there, and dropped.
type silence struct {
	until kafka.Published
	unit  unit // takes the outputs that nobody needs
}

// replaying tells whether the worker is behind what was published before it, or
// has decisions to act on that somebody took before it. Meanwhile it decides
// nothing, since that place is taken, and writes no checkpoint: it would say
// that less is published than is.
func (w *worker) replaying() bool {
	return w.eng.Next() < w.silent.until.To || len(w.journal.pending) > 0
}
