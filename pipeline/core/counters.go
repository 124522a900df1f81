package core

// Counters count everything that went into one partition since its first
// record. They are part of the state, so they survive a restart exactly.
//
// Conservation: Trades = Applied + Restated + Duplicate + Late + Rejected, and
// the records offered = TradeRecords + Heartbeats + Undecodable.
type Counters struct {
	TradeRecords int64 // records with trades
	Heartbeats   int64
	Undecodable  int64 // records no trade could be read from

	Trades    int64
	Applied   int64 // in time
	Restated  int64 // late, changed a closed bar
	Duplicate int64
	Late      int64 // diverted to the topic late
	Rejected  int64 // diverted to the topic dlq

	// ByReason counts diverted trades, undecodable records and refused
	// heartbeats. Its sum is Rejected + Late + Undecodable + BadHeartbeats.
	ByReason      [NumReasons]int64
	BadHeartbeats int64 // heartbeats from the future or of one source too many

	NoID         int64 // trades without an id: no duplicate test
	UnknownSide  int64 // applied or restated trades without a taker side
	DedupHits    int64 // trades with a known id: duplicates and conflicts
	Widened      int64 // times a symbol got a larger scale
	Holes        int64 // jumps of the offset
	Decisions    int64 // journal operations acted on, start excluded
	Starts       int64 // start operations
	Klines       int64 // bars as first closed
	Restatements int64 // bars published again, or born late

	// Rewinds counts records offered twice by the client. They say something
	// about the client, not about the log, so a snapshot does not carry them.
	Rewinds int64
}
