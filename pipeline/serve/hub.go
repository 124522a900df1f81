package serve

import (
	"hash/fnv"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Defaults of HubConfig.
const (
	DefaultViewBars   = 1000
	DefaultViewMemory = 128 << 20
	DefaultRingBytes  = 16 << 20
	DefaultMaxStreams = 10000
)

// HubConfig says what a Hub keeps. NewHub copies it.
type HubConfig struct {
	// LogID names the log in event ids: up to 16 lower-case letters and digits.
	// Another id stands in for a value outside that form. It has to change
	// when the log is another one.
	LogID string
	// Partitions is the number of partitions of klines, at most MaxPartitions.
	Partitions int32
	// Intervals are the names of the bar lengths, ascending.
	Intervals []string
	// Instances are the configured indicators, in the order of the records.
	Instances []InstanceMeta
	// ViewBars bounds the bars kept per series. Default: 1000.
	ViewBars int
	// ViewMemory bounds the rows of all series, bytes. Default: 128 MiB.
	ViewMemory int64
	// RingBytes bounds what streams can resume from, bytes. Default: 16 MiB.
	RingBytes int64
	// MaxStreams bounds the streams whose SubOptions name no bound. Default: 10000.
	MaxStreams int
	// AllowedLateness is how long a closed bar may still be restated, ms.
	AllowedLateness int64
	// Clock paces heartbeats and windows. Default: the machine's.
	Clock clock.Clock
}

// Hub is the view of one log that HTTP reads from. See the package comment.
//
// Lock order: the turn of a partition, Hub.mu, then Subscriber.mu (a batch holds those of all it reaches),
// then group.mu. A read takes group.mu alone.
type Hub struct {
	cfg       HubConfig
	fills     slots   // of readers that have guests compute
	lengths   []int64 // of the intervals, ms
	intervals map[string]int
	instances map[string]int

	mu       sync.RWMutex // protects everything down to names
	symbols  map[string]*symbol
	ring     *ring
	parts    []partition
	at       []point // position per partition
	id       string  // the same as an event id
	split    []*symbol
	touched  []*Subscriber // locked during a batch
	rec      wire.KlineRecord
	enc      encoder
	streams  int
	gone     chan struct{} // closed when streams falls to 0 during a drain
	archive  LogReader     // nil: none
	explains LogReader     // the same for explanations
	demand   func(symbols []string)
	docs     indicatorDocs
	unplaced []Record            // restated values of bars that are further back
	computed map[*group]struct{} // with instances on demand
	renewed  []point             // behind all that was handed out before the last Renew; nil: none
	leads    int64               // bars that may be kept in front of memory

	claims claims // of series on demand

	dyn   dynamics
	turns [MaxPartitions + 1]sync.Mutex // see turn
	wakes wakes

	ready   chan struct{}
	once    sync.Once
	partial atomic.Bool // see Partial
	drainer drainer
	builds  *buildGate
	stores  atomic.Pointer[[]*gate] // see SetStores
	gates   atomic.Int64            // made so far
	memory  atomic.Int64            // bytes of all rows
	resting atomic.Int64            // ms until which no bars in front of memory are read
	gen     atomic.Uint64
	count   counters
}

// partition is what the Hub knows of one partition of klines.
type partition struct {
	started bool
	// first is the position of the first record followed; what came before it
	// cannot be replayed. nowhere if the log was followed from its start.
	first point
	// end is the offset behind the newest record.
	end   int64
	stale bool
	// awaited are the streams whose clients have seen more than the Hub has.
	awaited arrivals
}

// Counters are the totals of a Hub since it was made.
type Counters struct {
	// Records were applied, Repeats were dropped by the reader rule, Foreign
	// could not be used (not a kline, unknown interval, symbol of another
	// partition).
	Records, Repeats, Foreign uint64
	// Refused frames held a byte that would have broken the framing. Not 0
	// means that a writer of klines is not ours.
	Refused uint64
	// Overflows are streams that were cut because they read too slowly.
	Overflows uint64
	// Streams is the number of open streams, Memory the bytes of rows kept,
	// Ring the bytes of frames kept for resuming.
	Streams, Memory, Ring int64
}

type counters struct {
	records, repeats, foreign, refused, overflows atomic.Uint64
}

// NewHub makes an empty hub. It is not ready until Loaded is called.
func NewHub(cfg HubConfig) *Hub {
	cfg.LogID = logName(cfg.LogID)
	cfg.Partitions = max(cfg.Partitions, 1)
	cfg.ViewBars = int(orDefault(int64(cfg.ViewBars), DefaultViewBars))
	cfg.ViewMemory = orDefault(cfg.ViewMemory, DefaultViewMemory)
	cfg.RingBytes = orDefault(cfg.RingBytes, DefaultRingBytes)
	cfg.MaxStreams = int(orDefault(int64(cfg.MaxStreams), DefaultMaxStreams))
	if cfg.Clock == nil {
		cfg.Clock = clock.Real()
	}
	h := &Hub{cfg: cfg, symbols: map[string]*symbol{}, intervals: map[string]int{}, instances: map[string]int{},
		ring:     newRing(cfg.RingBytes),
		fills:    newSlots(fillParallel, cfg.Clock),
		computed: map[*group]struct{}{}, claims: newClaims(), wakes: newWakes(),
		ready: make(chan struct{}), drainer: drainer{signal: make(chan struct{})}, builds: newBuildGate(cfg.Clock)}
	for i, name := range cfg.Intervals {
		h.intervals[name] = i
		itv, err := core.ParseInterval(name)
		if err != nil { // a name outside the grammar has no length and is not filled
			h.lengths = append(h.lengths, 0)
			continue
		}
		h.lengths = append(h.lengths, itv.Millis())
	}
	for i := range cfg.Instances {
		h.instances[cfg.Instances[i].Name] = i
	}
	h.empty()
	return h
}

// empty puts every partition before its first record.
func (h *Hub) empty() {
	h.parts = make([]partition, h.cfg.Partitions)
	h.at = make([]point, h.cfg.Partitions)
	for i := range h.at {
		h.at[i] = nowhere
		h.parts[i].first = nowhere
	}
	h.id = string(appendEventID(nil, h.cfg.LogID, h.at))
}

func orDefault(v, def int64) int64 {
	if v <= 0 {
		return def
	}
	return v
}

// logName keeps a valid log id and hashes any other text into one, since the
// parser of ids relies on its alphabet.
func logName(s string) string {
	ok := s != "" && len(s) <= 16
	for i := range len(s) {
		ok = ok && (s[i] >= 'a' && s[i] <= 'z' || s[i] >= '0' && s[i] <= '9')
	}
	if ok {
		return s
	}
	f := fnv.New32a()
	f.Write([]byte(s))
	return strconv.FormatUint(uint64(f.Sum32()), 36)
}

// Loaded tells the hub that it has followed the log up to its end once: reads
// may be answered and waiting streams get their snapshots.
func (h *Hub) Loaded() { h.once.Do(func() { close(h.ready) }) }

// WhenReady is closed by Loaded.
func (h *Hub) WhenReady() <-chan struct{} { return h.ready }

// Ready reports whether Loaded was called.
func (h *Hub) Ready() bool {
	select {
	case <-h.ready:
		return true
	default:
		return false
	}
}

// Position is the id that stands for everything applied so far.
func (h *Hub) Position() string {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.id
}

// ParsePosition reads an id of this hub's log and returns the input offset per
// partition, -1 where nothing was handed out yet. An error means that a stream
// with this id begins with a reset.
func (h *Hub) ParsePosition(id string) ([]int64, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	at, err := parsePosition(id, h.cfg.LogID, len(h.parts))
	if err != nil {
		return nil, err
	}
	so := make([]int64, len(at))
	for i, a := range at {
		so[i] = a.so
	}
	return so, nil
}

// Partitions is the number of partitions of klines.
func (h *Hub) Partitions() int32 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return int32(len(h.parts)) // #nosec G115 -- at most MaxPartitions
}

// SetArchive sets the way to bars that memory no longer holds. It is asked by a few
// requests at a time, for as long as they may wait.
func (h *Hub) SetArchive(r LogReader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.archive, h.explains = newLogGate(r, h.cfg.Clock), newLogGate(r, h.cfg.Clock)
}

// SetStale marks the symbols of a partition that is not followed any more.
func (h *Hub) SetStale(p int32, stale bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p >= 0 && int(p) < len(h.parts) {
		h.parts[p].stale = stale
	}
}

// Counters returns the totals so far.
func (h *Hub) Counters() Counters {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return Counters{Records: h.count.records.Load(), Repeats: h.count.repeats.Load(), Foreign: h.count.foreign.Load(),
		Refused: h.count.refused.Load(), Overflows: h.count.overflows.Load(),
		Streams: int64(h.streams), Memory: h.memory.Load(), Ring: h.ring.bytes}
}

// find returns the group, nil if neither a record nor a stream has named it.
func (h *Hub) find(sym, itv string) *group {
	i, ok := h.intervals[itv]
	if !ok {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	if s := h.symbols[sym]; s != nil {
		return s.groups[i]
	}
	return nil
}

func (h *Hub) now() int64 { return h.cfg.Clock.Now().UnixMilli() }
