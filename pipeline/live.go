package pipeline

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// livePeriod is the least time between two bars in progress of one series on
	// the topic.
	livePeriod = 250 * time.Millisecond
	// wantedPeriod is how often a node repeats what its readers look at, and
	// wantedFor how long that counts: two repetitions may be lost.
	wantedPeriod = 5 * time.Second
	wantedFor    = 15 * time.Second
	// maxWanted bounds the series that other nodes may ask for, and those that
	// are asked for in one record.
	maxWanted = 20_000
)

// liveBars shows bars in progress on every node. Those of our partitions go to
// the hub of this node at once; what readers of other nodes look at goes to the
// topic klines.live as well, and the hub gets from there what others own. Best
// effort: nothing that is final depends on it, and a single node writes nothing.
type liveBars struct {
	e    *Engine
	gen  atomic.Uint64
	kick chan struct{} // something is to be sent

	mu      sync.Mutex // protects the fields below
	wanted  map[seriesName]time.Time
	waiting map[seriesName]*liveBar // to be sent, or sent lately
	tell    bool                    // say at once what is wanted here
	readers map[string][]chan struct{}
	rec     wire.KlineRecord
}

type seriesName struct{ symbol, interval string }

// liveBar is the newest bar in progress of a series that somebody else wants.
type liveBar struct {
	p     int32
	value []byte // nil: sent
	sent  time.Time
}

func newLiveBars(e *Engine) *liveBars {
	return &liveBars{
		e: e, kick: make(chan struct{}, 1), wanted: map[seriesName]time.Time{},
		waiting: map[seriesName]*liveBar{}, readers: map[string][]chan struct{}{},
	}
}

// Interested tells whether a reader of this or another node looks at a series.
func (l *liveBars) Interested(symbol, interval string) bool {
	if l.e.hub.Interested(symbol, interval) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isWanted(seriesName{symbol, interval})
}

func (l *liveBars) isWanted(s seriesName) bool {
	until, ok := l.wanted[s]
	return ok && l.e.cfg.Clock.Now().Before(until)
}

// InterestGen changes whenever an answer of Interested may have become yes.
func (l *liveBars) InterestGen() uint64 { return l.e.hub.InterestGen() + l.gen.Load() }

// Forming shows bars of a partition of ours.
func (l *liveBars) Forming(p int32, values [][]byte) {
	l.e.hub.Forming(p, values)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wanted) == 0 {
		return
	}
	send := false
	for _, v := range values {
		if wire.DecodeKline(v, &l.rec) != nil {
			continue
		}
		s := seriesName{l.rec.Sym, l.rec.Itv}
		if !l.isWanted(s) {
			continue
		}
		b := l.waiting[s]
		if b == nil {
			b = new(liveBar)
			l.waiting[s] = b
		}
		b.p, b.value = p, v
		send = send || l.e.cfg.Clock.Now().Sub(b.sent) >= livePeriod
	}
	if send {
		l.poke()
	}
}

func (l *liveBars) poke() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// ask has other nodes show the bars of symbols that are theirs, and waits a
// moment for the first of each.
func (l *liveBars) ask(symbols []string) {
	ctx, cancel := context.WithTimeout(context.Background(), remoteWait)
	defer cancel()
	var rounds []chan struct{}
	l.mu.Lock()
	for _, s := range symbols {
		if p, ok := l.e.hub.PartitionOf(s); !ok || l.e.ours(p) || !l.e.cfg.transactional() {
			continue
		}
		done := make(chan struct{})
		l.readers[s] = append(l.readers[s], done)
		rounds = append(rounds, done)
	}
	l.tell = l.tell || len(rounds) > 0
	l.mu.Unlock()
	if len(rounds) == 0 {
		return
	}
	l.poke()
	for _, done := range rounds {
		select {
		case <-done:
		case <-ctx.Done():
			l.leave(symbols, rounds)
			return
		}
	}
}

// leave forgets readers who wait no longer: of a quiet symbol no bar may ever come.
func (l *liveBars) leave(symbols []string, rounds []chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range symbols {
		l.readers[s] = slices.DeleteFunc(l.readers[s], func(c chan struct{}) bool { return slices.Contains(rounds, c) })
		if len(l.readers[s]) == 0 {
			delete(l.readers, s)
		}
	}
}

// take applies one record of another node.
func (l *liveBars) take(p int32, r *kafka.Rec) {
	if node, _ := r.Header(wire.HeaderNode); string(node) == l.e.cfg.Node {
		return
	}
	if kind, ok := r.Header(wire.HeaderKind); ok {
		if string(kind) == wire.KindWanted {
			l.want(string(r.Value))
		}
		return
	}
	if l.e.ours(p) {
		return // a predecessor's: ours are newer
	}
	l.e.hub.Forming(p, [][]byte{r.Value})
	symbol, _, _ := strings.Cut(string(r.Key), "|")
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, done := range l.readers[symbol] {
		close(done)
	}
	delete(l.readers, symbol)
}

// want notes what another node wants: lines of symbol|interval.
func (l *liveBars) want(list string) {
	until := l.e.cfg.Clock.Now().Add(wantedFor)
	var fresh []string
	l.mu.Lock()
	for line := range strings.Lines(list) {
		symbol, interval, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "|")
		s := seriesName{symbol, interval}
		if _, known := l.wanted[s]; !ok || !known && len(l.wanted) >= maxWanted {
			continue
		}
		if !l.isWanted(s) {
			fresh = append(fresh, symbol)
		}
		l.wanted[s] = until
	}
	l.mu.Unlock()
	if len(fresh) > 0 {
		l.gen.Add(1)
		l.e.askWorkers(fresh)
	}
}
