package core

// maxSources bounds the feeds of one partition: their names come from record
// headers, which a foreign producer may invent, or make of the name of a process
// that is another one after each restart.
const maxSources = 1024

// maxSourceName is the longest name of a feed, in bytes.
const maxSourceName = 255

// liveWithin is how old the newest trade of a source may be, by its record's
// timestamp, for the source to count as live, in ms.
const liveWithin = 5 * 60_000

// never is a time before all others that still can be calculated with.
const never = -1 << 60

// source is one feed in this partition.
type source struct {
	name       string
	idx        int   // index into Engine.sources
	event      int64 // E: newest event time, ms
	timestamp  int64 // K: Kafka timestamp of the record that carried it
	watermark  int64 // newest heartbeat or idle decision, ms
	historical bool
	down       bool
	symbols    int      // that are its own
	due        dueQueue // its symbols by the next end of an open bar; not in snapshots
}

// SourceState is what the outside may know about one feed in this partition.
type SourceState struct {
	Name           string
	EventMax       int64 // E: newest event time, ms UTC; meaningless without HasEvent
	EventTimestamp int64 // K: Kafka timestamp of the record that carried it
	HasEvent       bool
	Watermark      int64 // newest heartbeat or idle decision, ms UTC; meaningless without HasWatermark
	HasWatermark   bool
	Historical     bool // declared so by a decision
	Down           bool // its last heartbeat said so
}

// Live reports whether the clock may close bars of the source: its newest trade
// was young when it was written, and no decision says otherwise.
func (s *SourceState) Live() bool {
	return s.HasEvent && !s.Historical && s.EventTimestamp >= 0 && s.EventTimestamp-s.EventMax <= liveWithin
}

func (s *source) state() SourceState {
	return SourceState{
		Name: s.name, EventMax: s.event, EventTimestamp: s.timestamp, HasEvent: s.event != never,
		Watermark: s.watermark, HasWatermark: s.watermark != never, Historical: s.historical, Down: s.down,
	}
}

// saw notes an accepted trade. Only a newer event counts: the timestamp of the
// record that carried it is what the age of the source is measured from.
func (s *source) saw(eventMS, timestamp int64) {
	if eventMS > s.event {
		s.event, s.timestamp = eventMS, timestamp
	}
}

// Sources returns the state of all feeds seen, in order of first sight.
func (e *Engine) Sources() []SourceState {
	out := make([]SourceState, len(e.sources))
	for i, s := range e.sources {
		out[i] = s.state()
	}
	return out
}

// Knows tells whether the feed called name is in the state.
func (e *Engine) Knows(name string) bool { return e.sourceByName[name] != nil }

// findSource returns the feed called name, nil if it is new, and false if it is
// new and there is no room for it.
func (e *Engine) findSource(name string) (*source, bool) {
	if l := e.lastSource; l != nil && l.name == name {
		return l, true
	}
	if s := e.sourceByName[name]; s != nil {
		e.lastSource = s
		return s, true
	}
	return nil, len(name) <= maxSourceName && (len(e.sources) < maxSources || e.idlest() >= 0)
}

// addSource creates the feed called name, for which there is room.
func (e *Engine) addSource(name string) *source {
	s := &source{name: name, idx: len(e.sources), event: never, watermark: never}
	if s.idx < maxSources {
		e.sources = append(e.sources, s)
	} else {
		s.idx = e.idlest()
		delete(e.sourceByName, e.sources[s.idx].name)
		e.sources[s.idx], e.lastSource = s, nil
	}
	e.sourceByName[name] = s
	return s
}

// idlest returns the number of the feed that has been silent for longest among those
// without symbols, which close no bar and can be forgotten; -1 if there is none.
func (e *Engine) idlest() int {
	found, oldest := -1, int64(0)
	for i, s := range e.sources {
		if newest := max(s.event, s.watermark); s.symbols == 0 && (found < 0 || newest < oldest) {
			found, oldest = i, newest
		}
	}
	return found
}
