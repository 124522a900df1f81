package serve

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// Bounds and default of SubOptions.Buffer. 256 frames are more than a minute of
// one symbol on all intervals; beyond them the client resumes from the ring. One
// minute that closes on eight intervals with their values is a batch of some 40
// frames: below MinBuffer a stream would be cut again and again.
const (
	DefaultBuffer = 256
	MinBuffer     = 16
	MaxBuffer     = 65536
)

// queuedFrameBytes is the share of a queued frame in the bound of a queue.
const queuedFrameBytes = 1 << 10

// formingWindow is how long a forming frame waits for company: on this way out
// a flush costs as much as the frames in it.
const formingWindow = 20 * time.Millisecond

// ErrSlow ends a stream whose client reads too slowly. The connection is closed
// without a word; the client comes back with its last id.
var ErrSlow = errors.New("writing a stream: the client does not keep up")

// SubOptions say what one stream wants. Subscribe copies them.
type SubOptions struct {
	Selection Selection
	// LastEventID is the position to resume from, "" = none.
	LastEventID string
	// Snapshot is the number of closed bars per series at connect, 0 to 1000.
	// A query that does not name it means 1.
	Snapshot int
	// SnapshotToo asks for snapshots besides a successful resume, for a client
	// whose selection grew.
	SnapshotToo bool
	// Every is the shortest time between forming frames, rounded up to 0, 20,
	// 50, 100, 250 or 500 ms, 1, 2 or 5 s.
	Every time.Duration
	// NoForming leaves out forming bars, NoProvisional their values.
	NoForming, NoProvisional bool
	// Heartbeat is the longest silence. Default: 15s.
	Heartbeat time.Duration
	// MaxDuration ends the stream with bye rotate after 80 to 100 % of it,
	// 0 = never.
	MaxDuration time.Duration
	// Deadline ends the stream with bye rotate at that time at the latest; the
	// zero time = never. For servers with a hard write timeout.
	Deadline time.Time
	// Buffer is the number of frames, and of KiB, that may wait for a slow
	// client before it is cut, MinBuffer to MaxBuffer. Default: 256.
	Buffer int
	// Replay is the number of frames a resume sends at most, 1 to MaxReplay,
	// and of KiB, though never less than 1 MiB; a resume that needs more is a
	// reset. Default: 1000.
	Replay int
	// MaxStreams is the number of open streams at which this one is told to
	// stay away. Default: HubConfig.MaxStreams.
	MaxStreams int
}

// bounded gives every bound its default and keeps it inside its range.
func (o *SubOptions) bounded(streams int) {
	o.Every = everyClass(o.Every)
	o.Snapshot = min(max(o.Snapshot, 0), MaxSnapshotBars)
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	o.Buffer = min(max(int(orDefault(int64(o.Buffer), DefaultBuffer)), MinBuffer), MaxBuffer)
	o.Replay = min(int(orDefault(int64(o.Replay), DefaultReplay)), MaxReplay)
	o.MaxStreams = int(orDefault(int64(o.MaxStreams), int64(streams)))
}

// Subscriber is one stream. Its owner calls Next in a loop and writes what it
// gets; that loop is the only goroutine that writes to the client. Close must
// be called at the end.
//
// Between Hub and loop lie a short queue of frames that must arrive and, per
// series, the newest forming frame.
type Subscriber struct {
	hub  *Hub
	opts SubOptions
	wake chan struct{} // one slot

	touched bool    // locked by the Hub's batch; guarded by the Hub
	arrival arrival // guarded by the Hub

	mu     sync.Mutex // protects everything down to bye
	slots  []slot
	dirty  []int32 // slots with a forming frame to write
	queue  []*frame
	queued int  // bytes in queue
	slow   bool // overflowed
	since  time.Time
	bye    string

	// Everything below belongs to the loop.
	pairs []pairOf
	stage stage
	buf   []byte
	timer clock.Timer
	quiet time.Time // last write
	shown time.Time // last write of forming frames
	ends  time.Time // bye rotate, zero = never
	drain time.Time // bye drain, zero = not yet
	busy  bool
	began bool // buf holds what the stream begins with
	// goal is the position a client came with while the hub is behind it, nil
	// else; patience is how long the hub has to get there.
	goal     []point
	patience time.Time
	joined   bool       // guarded by the Hub
	closed   bool       // guarded by the Hub
	claims   []placeKey // guarded by the Hub
}

// slot is one series of a stream.
type slot struct {
	series  *series
	forming *frame
	live    bool // forming frames are wanted
	dirty   bool
}

// pairOf is one symbol and interval of a stream: the shape of its snapshots.
type pairOf struct {
	group *group
	kline bool
	inds  []int
}

type stage uint8

const (
	stageRetry stage = iota
	stageJoin
	stageLive
	stageEnd
)

// everyClasses are the windows a stream may ask for.
var everyClasses = [...]time.Duration{ //nolint:gochecknoglobals // a constant in all but syntax
	0, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

func everyClass(d time.Duration) time.Duration {
	for _, c := range everyClasses {
		if d <= c {
			return c
		}
	}
	return everyClasses[len(everyClasses)-1]
}

// Subscribe admits a stream. It looks nothing up yet: that happens in the
// second Next, when the client already has its header; but what is to be computed
// on demand for it counts from here on. Beyond the limit of streams it says bye busy
// and ends.
func (h *Hub) Subscribe(o SubOptions) (*Subscriber, error) {
	if !CheckID(o.LastEventID) {
		return nil, badID(o.LastEventID)
	}
	if len(o.Selection.Pairs) == 0 {
		return nil, &Problem{Status: 400, Code: CodeBadSelection, Param: "s", Detail: "s is missing: name at least one series, for example s=BTCUSDT@1m"}
	}
	if p := h.enrollAll(&o.Selection); p != nil {
		return nil, p
	}
	o.bounded(h.cfg.MaxStreams)
	now := h.cfg.Clock.Now()
	s := &Subscriber{hub: h, opts: o, wake: make(chan struct{}, 1), quiet: now}
	if o.MaxDuration > 0 {
		s.ends = now.Add(time.Duration(float64(o.MaxDuration) * (0.8 + 0.2*rand.Float64())))
	}
	if !o.Deadline.IsZero() && (s.ends.IsZero() || o.Deadline.Before(s.ends)) {
		s.ends = o.Deadline
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams >= o.MaxStreams {
		s.busy, s.closed = true, true
		return s, nil
	}
	if p := h.reserve(s); p != nil {
		return nil, p
	}
	h.streams++
	return s, nil
}

// push takes one frame. The Hub holds s.mu for its batch.
func (s *Subscriber) push(i int32, f *frame) {
	if s.slow {
		return
	}
	sl := &s.slots[i]
	if f.kind == kindForming {
		if !sl.live {
			return
		}
		sl.forming = f
		if !sl.dirty {
			sl.dirty = true
			if len(s.dirty) == 0 {
				s.since = s.hub.cfg.Clock.Now()
			}
			s.dirty = append(s.dirty, i)
		}
		return
	}
	if sl.forming != nil && f.kind == kindRevise {
		// What is forming was computed before the restatement: written behind
		// it, its seq would seem to go back.
		s.enqueue(sl.forming)
	}
	sl.forming = nil
	s.enqueue(f)
}

func (s *Subscriber) enqueue(f *frame) {
	if most := s.opts.Buffer; len(s.queue) >= most || s.queued+len(f.event) > most*queuedFrameBytes && len(s.queue) > 0 {
		s.slow = true
		s.queue, s.dirty, s.queued = nil, nil, 0
		s.hub.count.overflows.Add(1)
		return
	}
	s.queue = append(s.queue, f)
	s.queued += len(f.event)
}

// pair returns the part of the stream that a group belongs to.
func (s *Subscriber) pair(g *group) *pairOf {
	for i := range s.pairs {
		if s.pairs[i].group == g {
			return &s.pairs[i]
		}
	}
	return &pairOf{group: g}
}

// Began tells whether the bytes of the last Next are those that the stream begins
// with, its snapshots or what it missed: many times as much as what comes later.
// It belongs to the loop.
func (s *Subscriber) Began() bool { return s.began }

// Bye ends the stream with that reason ("auth": the credentials ended) as soon
// as its loop comes round.
func (s *Subscriber) Bye(reason string) {
	s.mu.Lock()
	s.bye = reason
	s.mu.Unlock()
	s.nudge()
}

// nudge makes the loop come round.
func (s *Subscriber) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Close takes the stream out of the hub. It may be called more than once.
func (s *Subscriber) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	h.giveUp(s)
	h.leave(s)
	h.streams--
	if h.streams == 0 && h.gone != nil {
		close(h.gone)
		h.gone = nil
	}
}
