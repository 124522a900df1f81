package schedule

// Mutant switches guarantees of the model off, one at a time, to show that the
// checks see what each of them prevents. The zero value is the protocol.
type Mutant struct {
	// NoFence commits offsets without the metadata of the group.
	NoFence bool
	// CommitEarly commits the input offset before the outputs are written.
	CommitEarly bool
	// ResetStart lets the client read from the log start after a fetch error.
	ResetStart bool
	// StartAtEnd begins a new partition at the end of its log.
	StartAtEnd bool
	// NoDedupe makes a trade that comes again look like another one.
	NoDedupe bool
	// DropLate ignores trades whose bar has closed.
	DropLate bool
	// JournalOutside writes decisions outside the transaction of their effects.
	JournalOutside bool
	// DecisionWithoutOffset commits a unit that only a decision caused without
	// adding its unchanged offset.
	DecisionWithoutOffset bool
	// StateUpToStable reads the checkpoints up to the last stable offset only.
	StateUpToStable bool
	// ActBeforeAck acts on a decision before its journal record is acknowledged.
	ActBeforeAck bool
	// NoStart restores without announcing the incarnation in the journal.
	NoStart bool
	// VersionByOffset versions the fields of the view by offsets on klines.
	VersionByOffset bool
	// StateBeforeAcks writes the checkpoint without waiting for the outputs.
	StateBeforeAcks bool
	// GoOn keeps an incarnation alive after a send that failed.
	GoOn bool
	// MetadataLate takes the metadata of the group for a commit after it has
	// looked which partitions it holds, and has joined anew in between.
	MetadataLate bool
	// NoSilence publishes again what a restored partition replays.
	NoSilence bool
	// NewRulesAtOnce replays by new rules what was published by the old ones.
	NewRulesAtOnce bool
	// PlaceBelow compares the record before a decision with the last one read
	// even if the restored state lies beyond the decision's place.
	PlaceBelow bool
	// IdleByClock takes the time of an idle decision from the clock alone.
	IdleByClock bool
}
