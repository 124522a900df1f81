// Package failpoint lets a test end the process, or a goroutine, at a named step of the order of writes, where a kill from outside would hit
// once in a thousand tries.
//
// The central type is the [Point]. The code calls [Hit] or [Err] with one at each step. Built with the tag failpoint, the environment
// variable KLINE_FAILPOINT says what happens there: `after_publish=kill@7` kills the process at the seventh hit, before the call returns. Other
// actions are panic, sleep (for a second) and error; without a number it is the first hit. What happened stands on the standard error, so that
// a test can assert that its point was hit.
//
// Without the tag, which is how the product is built, both functions are empty and inlined: there is no variable to set, no name of a point
// and no branch in the program. A test of the built binary looks for them.
package failpoint

// Point is a step in the order of writes.
type Point string

// The points, in the order in which a unit meets them.
const (
	DuringRestore   Point = "during_restore"   // the state is read back, nothing is consumed yet
	AfterPoll       Point = "after_poll"       // records were fetched, no worker has seen them
	AfterApply      Point = "after_apply"      // the state has taken records, their outputs are nowhere
	AfterDecide     Point = "after_decide"     // a decision is on its way or in the journal and has not acted
	BeforePublish   Point = "before_publish"   // a unit is complete, nothing of it is sent
	AfterPublish    Point = "after_publish"    // its outputs are acknowledged
	AfterCheckpoint Point = "after_checkpoint" // and so is its checkpoint
	BeforeCommit    Point = "before_commit"    // everything is acknowledged but the offset of the input
	AfterOffsets    Point = "after_offsets"    // the offset is in the transaction, which is open
	AfterCommit     Point = "after_commit"     // all of it counts, nobody here knows yet
	BeforeRedis     Point = "before_redis"     // a script of the view is ready
	AfterRedis      Point = "after_redis"      // Redis has answered it
	SSEWrite        Point = "sse_write"        // an event is written and not flushed
)

// The points of a change of uploaded modules, of kills and of the audit log, hit by each of its writes.
const (
	BeforeRegistry Point = "before_registry" // a value is about to be written or deleted
	AfterRegistry  Point = "after_registry"  // it is
)

// All lists the points.
func All() []Point {
	return []Point{DuringRestore, AfterPoll, AfterApply, AfterDecide, BeforePublish, AfterPublish, AfterCheckpoint, BeforeCommit, AfterOffsets, AfterCommit,
		BeforeRedis, AfterRedis, SSEWrite, BeforeRegistry, AfterRegistry}
}
