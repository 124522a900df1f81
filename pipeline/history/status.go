package history

import "sync"

// StreamStatus is one stream of a history as /v1/status shows it.
type StreamStatus struct {
	// Table is the name of the stream.
	Table string `json:"table"`
	// State is "following", or "waiting" while this node owns no partition, or
	// "away" while the database or the log does not answer.
	State string `json:"state"`
	// Lag is the number of records of this node's partitions that are on the
	// topic and not in the database; null as long as the database has not said how
	// far it is.
	Lag *int64 `json:"lag"`
	// Rows were written since the start, Refused went to the dead-letter topic,
	// Lost were removed by the topic's retention before they were written.
	Rows    int64 `json:"rows"`
	Refused int64 `json:"refused"`
	Lost    int64 `json:"lost,omitempty"`
	// Error is what is wrong, in words for the operator.
	Error string `json:"error,omitempty"`
}

// Status is one history as /v1/status shows it.
type Status struct {
	// Name is that of the configuration.
	Name    string         `json:"name"`
	Streams []StreamStatus `json:"streams"`
}

// States of a stream.
const (
	stateWaiting   = "waiting"
	stateFollowing = "following"
	stateAway      = "away"
)

// record is the status of a stream while it changes.
type record struct {
	mu  sync.Mutex // protects the rest
	now StreamStatus
	lag map[int32]int64
	own int // partitions of this node, -1 before anybody looked
}

func newRecord(s Stream) *record {
	return &record{now: StreamStatus{Table: s.String(), State: stateWaiting}, lag: map[int32]int64{}, own: -1}
}

func (r *record) state(state, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.State, r.now.Error = state, why
}

func (r *record) behind(p int32, lag int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lag[p] = lag
}

// only forgets the lag of partitions that are another node's now.
func (r *record) only(owned []int32) (gone []int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := map[int32]int64{}
	for _, p := range owned {
		if lag, ok := r.lag[p]; ok {
			keep[p] = lag
		}
	}
	for p := range r.lag {
		if _, ok := keep[p]; !ok {
			gone = append(gone, p)
		}
	}
	r.lag, r.own = keep, len(owned)
	return gone
}

func (r *record) wrote(rows int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Rows += int64(rows)
}

func (r *record) refused(rows int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Refused += int64(rows)
}

func (r *record) lost(records int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now.Lost += records
}

func (r *record) read() StreamStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.now
	if len(r.lag) != r.own {
		return s // of one it is not known: the sum of the others would say too little
	}
	var sum int64
	for _, lag := range r.lag {
		sum += lag
	}
	s.Lag = &sum
	return s
}
