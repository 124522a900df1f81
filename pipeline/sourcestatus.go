package pipeline

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

const (
	// silentAfter is how long nothing new may come of a source before the
	// watermark of its partition goes on without it.
	silentAfter = time.Minute
	// maxSourcesShown bounds the sources of a partition in the status: their
	// names come from record headers, which anybody may invent.
	maxSourcesShown = 32
)

// SourceState says in a word what is known of a source in a partition.
type SourceState string

// The states of a source. A source that is down, replayed or active counts as
// silent once nothing new has come of it for a minute.
const (
	// SourceActive: trades, heartbeats or closings by the clock move it on.
	SourceActive SourceState = "active"
	// SourceReplayed: its trades are old, so the clock closes none of its bars.
	SourceReplayed SourceState = "replayed"
	// SourceDown: its last heartbeat said that its venue is away.
	SourceDown SourceState = "down"
	// SourceSilent: nothing new for a minute.
	SourceSilent SourceState = "silent"
)

// SourceStatus is one source of trades in a partition as /v1/status shows it.
type SourceStatus struct {
	Source string `json:"source"`
	// Watermark is the event time (ms) up to which it is read. Its own symbols
	// close by it, whatever the other sources do.
	Watermark int64       `json:"watermark"`
	State     SourceState `json:"state"`
	// Counts tells that the watermark of the partition waits for it.
	Counts bool `json:"counts"`
}

// sourceClock remembers when the sources of a partition last moved on.
type sourceClock struct{ moved map[string]sourceMove }

type sourceMove struct {
	watermark int64
	at        time.Time
}

// look lists the sources that have trades, those that hold the watermark back
// first, and returns the watermark of the partition: the lowest of those that
// count, or where all are silent the highest that was reached; 0 without trades.
func (c *sourceClock) look(sources []core.SourceState, now time.Time) (watermark int64, shown []SourceStatus) {
	if c.moved == nil {
		c.moved = make(map[string]sourceMove)
	}
	if len(c.moved) > 2*maxSources { // most of them are forgotten
		maps.DeleteFunc(c.moved, func(name string, _ sourceMove) bool {
			return !slices.ContainsFunc(sources, func(s core.SourceState) bool { return s.Name == name })
		})
	}
	lowest, highest := int64(math.MaxInt64), int64(0)
	for i := range sources {
		s := &sources[i]
		if !s.HasEvent {
			continue // only heartbeats: it has no bars here that could wait
		}
		st := c.status(s, now)
		shown = append(shown, st)
		highest = max(highest, st.Watermark)
		if st.Counts {
			lowest = min(lowest, st.Watermark)
		}
	}
	slices.SortFunc(shown, func(a, b SourceStatus) int {
		if a.Counts != b.Counts {
			if a.Counts {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Watermark, b.Watermark), cmp.Compare(a.Source, b.Source))
	})
	if lowest == math.MaxInt64 {
		lowest = highest
	}
	return lowest, shown[:min(len(shown), maxSourcesShown)]
}

func (c *sourceClock) status(s *core.SourceState, now time.Time) SourceStatus {
	wm := max(s.Watermark, s.EventMax)
	last, known := c.moved[s.Name]
	if !known || last.watermark != wm {
		last = sourceMove{wm, now}
		c.moved[s.Name] = last
	}
	st := SourceStatus{Source: s.Name, Watermark: wm, State: SourceActive, Counts: true}
	switch {
	case now.Sub(last.at) > silentAfter:
		st.State, st.Counts = SourceSilent, false
	case s.Down:
		st.State = SourceDown
	case !s.Live():
		st.State = SourceReplayed
	}
	return st
}

// watermarkOf is that of all partitions that have one: the lowest where a source
// counts, or where all are silent the highest that was reached.
func watermarkOf(ps []PartitionStatus) int64 {
	lowest, highest := int64(math.MaxInt64), int64(0)
	for i := range ps {
		highest = max(highest, ps[i].Watermark)
		if s := ps[i].Sources; len(s) > 0 && s[0].Counts {
			lowest = min(lowest, ps[i].Watermark)
		}
	}
	if lowest == math.MaxInt64 {
		return highest
	}
	return lowest
}
