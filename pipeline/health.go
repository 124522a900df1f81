package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// maxReadyLag is how many records may wait before the node is not ready.
const maxReadyLag = 100_000

// Status is what /v1/status and the admin route show.
func (e *Engine) Status() Status {
	s := Status{Delivery: e.cfg.delivery(), Epoch: e.epoch, Position: e.hub.Position(), Store: "memory", Degraded: []string{}}
	if e.cfg.Redis != nil {
		s.Store = "redis"
	}
	e.mu.Lock()
	s.Node = e.cfg.Node
	for _, what := range slices.Sorted(maps.Keys(e.degraded)) {
		s.Degraded = append(s.Degraded, what+": "+e.degraded[what])
	}
	for _, f := range e.feeds {
		s.Feeds = append(s.Feeds, f.status())
	}
	for _, h := range e.histories {
		s.Histories = append(s.Histories, h.history.Status())
	}
	layout := e.layout
	if e.broker != nil {
		s.Broker = e.broker.Addr()
	}
	e.mu.Unlock()
	s.Degraded = append(s.Degraded, e.hub.Degraded()...)
	if layout != nil {
		s.Cluster = layout.Mapping
		s.Partitions = e.partitions(layout.N)
		s.Watermark = watermarkOf(s.Partitions)
	}
	s.Reasons = e.reasons(layout != nil, s.Partitions)
	s.Ready = len(s.Reasons) == 0
	return s
}

// Ready tells whether this node does its work, and if not, why.
func (e *Engine) Ready() (bool, []string) {
	s := e.Status()
	return s.Ready, s.Reasons
}

// degradedPartitions is what is degraded when the input has more partitions than the
// topics of the engine. The node stays ready: what it knows goes on, and whoever asks
// for the health would take all nodes out of service at once.
const degradedPartitions = "partitioning"

// degradedBroker is what is degraded when the embedded broker refuses records.
const degradedBroker = "broker"

// lookAtBroker says whether the embedded broker can write. Its clients are told no more
// than that something went wrong, and begin anew until it goes: an operator would look
// for the fault anywhere but at the disk.
func (e *Engine) lookAtBroker() {
	if e.takes == nil {
		return
	}
	if err := e.takes(); err != nil {
		e.degrade(degradedBroker, err)
		return
	}
	e.heal(degradedBroker)
}

func (e *Engine) partitions(n int32) []PartitionStatus {
	ps := make([]PartitionStatus, n)
	for p := range ps {
		ps[p] = PartitionStatus{Partition: int32(p), State: StateUnassigned}
	}
	inc := e.current.Load()
	if inc == nil {
		return ps
	}
	workers, failed := inc.snapshot()
	for p, w := range workers {
		if int(p) < len(ps) {
			ps[p], _ = w.status.read()
		}
	}
	for p, why := range failed {
		if int(p) < len(ps) {
			ps[p].State, ps[p].Error = StateFailed, why
		}
	}
	return ps
}

func (e *Engine) reasons(settled bool, ps []PartitionStatus) []string {
	var why []string
	if !settled {
		return append(why, "the topics were not found yet")
	}
	if sick := e.said(degradedBroker); sick != "" {
		why = append(why, sick)
	}
	if !e.cfg.NoView && !e.hub.Ready() {
		why = append(why, "the view is being loaded")
	}
	if inc := e.current.Load(); e.cfg.transactional() && (inc == nil || !inc.client.Joined()) {
		why = append(why, "this node is not a member of the group"+e.because("source"))
	} else if ended := e.ended.Load(); ended != nil {
		why = append(why, "this node begins anew and has not restored its partitions yet: "+*ended)
	}
	told := false // of the failed ones, which mostly failed for the same, one says why
	for _, p := range ps {
		switch {
		case p.State == StateUnassigned && e.cfg.transactional():
			// Another node has it, or will: this one follows what it writes.
		case p.State == StateFailed && !told:
			told = true
			why = append(why, fmt.Sprintf("partition %d is %s: %s", p.Partition, p.State, p.Error))
		case p.State != StateRunning:
			why = append(why, fmt.Sprintf("partition %d is %s", p.Partition, p.State))
		case p.Lag > maxReadyLag:
			why = append(why, fmt.Sprintf("partition %d is %d records behind", p.Partition, p.Lag))
		}
	}
	if m := e.members.Load(); m > 0 {
		why = append(why, fmt.Sprintf("%d other member(s) of the group hold partitions: delivery idempotent runs on exactly one node", m))
	}
	return why
}

// because is what is known of something that is away.
func (e *Engine) because(what string) string {
	if why := e.said(what); why != "" {
		return ": " + why
	}
	return ""
}

func (e *Engine) said(what string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.degraded[what]
}

// How often the group is asked for other members, how long one answer may take
// (the watchdog waits for it), and how long an answer counts when none follows.
const (
	membersPeriod  = 5 * time.Second
	membersTimeout = 2 * time.Second
	membersKept    = 30 * time.Second
)

// memberWatch looks for other members of the group: with this delivery there
// must be none, and nothing fences a second one. The watchdog owns it.
type memberWatch struct {
	e              *Engine
	asked, answers time.Time
}

func (m *memberWatch) look(ctx context.Context, inc *incarnation) {
	now := m.e.cfg.Clock.Now()
	if m.e.cfg.Kafka == nil || m.e.cfg.transactional() || now.Sub(m.asked) < membersPeriod {
		return
	}
	m.asked = now
	ctx, cancel := context.WithTimeout(ctx, membersTimeout)
	defer cancel()
	n, err := inc.client.Members(ctx)
	if err != nil {
		// The source is away; that shows elsewhere. What was true before
		// must not be said for ever.
		if now.Sub(m.answers) > membersKept {
			m.e.members.Store(0)
		}
		return
	}
	m.answers = now
	if m.e.members.Swap(int32(n)) == 0 && n > 0 {
		m.e.cfg.Log.Error("another process consumes the same group: delivery idempotent runs on exactly one node", "members", n)
	}
}
