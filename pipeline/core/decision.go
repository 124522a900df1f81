package core

// OpKind names what a decision does. New kinds are added at the end.
type OpKind uint8

// Kinds of decisions.
const (
	OpNone       OpKind = iota
	OpIdle              // a heartbeat in place of a silent source
	OpHistorical        // the source delivers old trades: the clock must not close their bars
	OpLive              // the source is live again
	OpStart             // an incarnation began; no effect
	OpConfig            // results follow another configuration from here on
)

// String returns the name used in the journal.
func (k OpKind) String() string {
	names := [...]string{"", "idle", "historical", "live", "start", "config"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// ParseOpKind returns the kind called name, and false if there is none.
func ParseOpKind(name string) (OpKind, bool) {
	for k := OpIdle; k <= OpConfig; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return OpNone, false
}

// Op is one operation of a journal record.
type Op struct {
	Kind   OpKind
	Source string // idle, historical, live
	TS     int64  // idle: new watermark of the source, ms UTC
	Now    int64  // idle, historical, live: the clock that was read, ms UTC
	Config string // config: hash of the configuration from here on
}
