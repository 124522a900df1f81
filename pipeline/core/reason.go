package core

// Reason tells why a trade or record did not reach a bar. The set is closed: it
// labels metrics, and readers of the topics switch on it.
type Reason uint8

// Reasons of the topic dlq, then those of the topic late.
const (
	ReasonNone           Reason = iota // the trade was used
	ReasonDecode                       // the record is not what the mapping expects
	ReasonSymbol                       // symbol missing, malformed, or one too many
	ReasonPrice                        // price missing, malformed or not positive
	ReasonSize                         // size missing, malformed or not positive
	ReasonTS                           // event time missing or malformed
	ReasonRef                          // cancel or correction, which this release does not apply
	ReasonPrecision                    // more decimal places than the symbol's scale can take
	ReasonOverflow                     // a value or sum beyond its integer
	ReasonWrongPartition               // strict partitioner: the symbol belongs elsewhere
	ReasonFuture                       // event time beyond the record's timestamp
	ReasonPast                         // event time too far before the record's timestamp
	ReasonSanity                       // price outside the sanity band
	ReasonConflict                     // known id with another price or size
	ReasonTooLarge                     // record longer than the limit
	ReasonSink                         // refused by a sink; written by a follower
	ReasonTooLate                      // beyond the allowed lateness
	ReasonTooOld                       // correction beyond the correction horizon
	ReasonDedupHorizon                 // id below what the duplicate test remembers
	ReasonRefUnknown                   // correction of a trade nobody saw
	reasonCount
)

// NumReasons is the number of reasons, ReasonNone included; Reason values are
// below it.
const NumReasons = int(reasonCount)

// String returns the name used in headers, metrics and logs.
func (r Reason) String() string {
	names := [NumReasons]string{
		"", "decode", "symbol", "price", "size", "ts", "ref", "precision", "overflow", "wrong_partition",
		"future", "past", "sanity", "conflict", "too_large", "sink",
		"too_late", "too_old", "dedup_horizon", "ref_unknown",
	}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Dead reports whether trades with this reason go to the topic dlq; the others
// go to late.
func (r Reason) Dead() bool { return r < ReasonTooLate }

// ParseReason returns the reason called name, and false if there is none.
func ParseReason(name string) (Reason, bool) {
	for r := ReasonDecode; r < reasonCount; r++ {
		if r.String() == name {
			return r, true
		}
	}
	return ReasonNone, false
}
