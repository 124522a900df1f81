//go:build unix

package chaos

import (
	"fmt"
	"time"
)

// Kind is what is done to whom.
type Kind string

// The kinds of faults.
const (
	KillNode      Kind = "kill node"           // SIGKILL, started again after Hold
	LeaveNode     Kind = "kill node for long"  // SIGKILL, down for longer than its session: others take over
	ZombieNode    Kind = "stop node"           // SIGSTOP for longer than its session, then SIGCONT
	ReloadSame    Kind = "reload, same"        // the same configuration again
	ReloadEqual   Kind = "reload, equivalent"  // another configuration that means the same for what is computed
	ReloadInvalid Kind = "reload, invalid"     // must be refused, the old one goes on
	SlowNode      Kind = "slow links of node"  // latency and little bandwidth to every broker
	CutNode       Kind = "cut links of node"   // nothing passes, nothing is refused: connections hang
	ResetNode     Kind = "reset links of node" // connections break, new ones too
	KillBroker    Kind = "kill broker"         // SIGKILL, started again after Hold
	SlowBroker    Kind = "slow links of broker"
	KillRedis     Kind = "kill redis" // SIGKILL: it comes back empty
	FlushRedis    Kind = "flush redis"
	SlowRedis     Kind = "slow link of redis"
	CutRedis      Kind = "cut link of redis"
)

// Fault is one entry of a plan.
type Fault struct {
	At     time.Duration // since the beginning, at the earliest
	Lane   string        // faults of one lane come one after the other
	Kind   Kind
	Target int           // number of the node or broker
	Hold   time.Duration // how long it lasts
	Rest   time.Duration // the least time since the fault before it in its lane is healed
	Extra  int           // what else the kind needs: a delay in ms, a number of reloads
	Wait   bool          // the lane waits until the target works again
}

// String is one line of the plan.
func (f Fault) String() string {
	return fmt.Sprintf("%7.1fs %-8s %-22s %d for %v", f.At.Seconds(), f.Lane, f.Kind, f.Target, f.Hold.Round(time.Millisecond))
}
