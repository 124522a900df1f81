package schedule

// Fault is a kind of thing that goes wrong. Every kind is counted, and a run
// over many seeds in which one never happened has shown nothing about it.
type Fault int

// Kinds of faults. Those that name a mode happen in it alone.
const (
	CrashIdle           Fault = iota // kill while nothing is under way
	CrashUnwritten                   // after the step, before its outputs
	CrashBetweenOutputs              // some topics of a unit are written
	CrashBeforeState                 // outputs acknowledged, checkpoint not written
	CrashInState                     // some parts of a checkpoint are written
	CrashBeforeCommit                // checkpoint acknowledged, offset not committed
	CrashBeforeEnd                   // transactional: offsets in the transaction, which is not ended
	CrashBeforeAct                   // idempotent: decision acknowledged, not acted on
	CrashInRestore                   // between the checkpoint and the first record
	LostReplyApplied                 // a send is applied, its answer lost
	LostReplyVoid                    // a send is lost
	LateSend                         // idempotent: a send that was given up lands later
	RepeatedSend                     // idempotent: the broker forgot the producer and applies a send twice
	LateDecision                     // idempotent: a journal record of a dead incarnation lands later
	VoidDecision                     // idempotent: a record whose number is taken is void for every reader
	LostCommit                       // idempotent: the offset is not committed
	EndUnknownApplied                // transactional: committed, nobody was told
	EndUnknownVoid                   // transactional: the request to end got lost
	EndLate                          // transactional: the request to end lands later
	Abort                            // transactional: given up by the client
	TransactionTimeout               // transactional: given up by the coordinator
	LateMarker                       // transactional: the offset is visible, the marker of state is not there yet
	UnstableOffset                   // transactional: the offset itself waits for its marker
	ProducerFenced                   // transactional: a send with an old producer epoch
	StaleGeneration                  // transactional: a commit with an old generation or member
	FencedDecision                   // transactional: such a commit of a unit that only a decision caused
	Zombie                           // transactional: a paused owner goes on beside the new one
	Reassigned                       // transactional: cooperative hand-over
	Expired                          // transactional: the session of an owner ended
	DecisionAborted                  // transactional: a decision vanishes with its transaction
	DecisionAtCommit                 // transactional: a decision right before its unit is committed
	Reconfigured                     // transactional: a process comes back with other rules
	LeaderMoved                      // a fetch is answered with an error
	StateDamaged                     // the newest checkpoint does not read back
	StateLost                        // no checkpoint reads back: the partition fails loudly
	ViewFlushed                      // the view is empty
	ViewRegressed                    // the view is an older one
	ViewReplyApplied                 // the script ran, its answer is lost
	ViewReplyVoid                    // the script did not run
	NumFaults
)

var faultNames = [NumFaults]string{
	"crash-idle", "crash-unwritten", "crash-between-outputs", "crash-before-state", "crash-in-state", "crash-before-commit",
	"crash-before-end", "crash-before-act", "crash-in-restore", "lost-reply-applied", "lost-reply-void", "late-send",
	"repeated-send", "late-decision", "void-decision", "lost-commit", "end-unknown-applied", "end-unknown-void", "end-late",
	"abort", "transaction-timeout", "late-marker", "unstable-offset", "producer-fenced", "stale-generation", "fenced-decision",
	"zombie", "reassigned", "expired", "decision-aborted", "decision-at-commit", "reconfigured", "leader-moved", "state-damaged", "state-lost",
	"view-flushed", "view-regressed", "view-reply-applied", "view-reply-void",
}

// String is the name of the fault in traces and tables.
func (f Fault) String() string { return faultNames[f] }
