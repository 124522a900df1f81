package feed

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// leases are the locks of a feed, one per name. What this node believes to hold
// ends before the lock store lets it go: counted from before the question, less
// a tenth of the time.
type leases struct {
	clock   clock.Clock
	shared  Shared
	source  string
	token   string
	ttl     time.Duration
	names   []string
	log     Logger
	observe Observer
	gained  func(ctx context.Context, names []string) error

	mu      sync.Mutex // protects the rest
	own     map[string]lease
	known   map[string]bool // gained was told of it, and it was not lost since
	fresh   []string        // gained is to be told of them
	telling bool            // and is being told of others
}

type lease struct {
	fence int64
	until time.Time
}

func newLeases(l *live, shared Shared, names []string, gained func(context.Context, []string) error) *leases {
	return &leases{
		clock: l.Clock, shared: shared, source: l.SourceName, token: l.token, ttl: l.LeaseTime, names: names, log: l.Log,
		observe: l.Observer, gained: gained, own: map[string]lease{}, known: map[string]bool{},
	}
}

// lockChunk is how many locks one question is about.
const lockChunk = 500

// keep takes what is free and renews what is held, until ctx ends. It goes on
// while gained looks up where symbols stand: on a long topic that takes longer
// than a lock holds, and symbols whose locks are over when they get their turns
// would be looked up anew, for ever.
func (s *leases) keep(ctx context.Context) error {
	var lookup *safego.Handle
	defer func() {
		if lookup != nil {
			lookup.Wait()
		}
	}()
	failed := make(chan error, 1)
	for away := false; ; {
		err := s.round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		away = s.report(err, away)
		if s.tells() {
			lookup = safego.Go("feed lookup", func(err error) { failed <- err }, func() { s.tell(ctx) })
		}
		if err := sleep(ctx, s.clock, s.ttl/4+rand.N(s.ttl/12+1)); err != nil {
			return err
		}
		select {
		case err := <-failed:
			return err
		default:
		}
	}
}

// report counts a round that failed and says when that begins and ends.
func (s *leases) report(err error, away bool) bool {
	switch {
	case err != nil:
		s.observe.FeedError(s.source, reasonLock)
		if !away {
			s.log.Warn("the lock store does not answer: symbols are not asked for when their locks end", "source", s.source, "error", err)
		}
	case away:
		s.log.Info("the lock store answers again", "source", s.source)
	}
	return err != nil
}

// round asks for all names once. An unknown outcome is not asked about: until
// the next round what was held stays held as long as it was known to.
func (s *leases) round(ctx context.Context) error {
	for at := 0; at < len(s.names); at += lockChunk {
		names := s.names[at:min(at+lockChunk, len(s.names))]
		began := s.clock.Now()
		fences, err := s.shared.Hold(ctx, s.token, names, s.ttl)
		if err != nil {
			return err
		}
		s.update(names, fences, began.Add(s.ttl-s.ttl/10))
	}
	return nil
}

// tells reports whether gained has to be told of something, and then is.
func (s *leases) tells() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling || len(s.fresh) == 0 {
		return false
	}
	s.telling = true
	return true
}

// tell tells gained of what is new until nothing is. It returns early when ctx
// ends alone, which gained says by an error.
func (s *leases) tell(ctx context.Context) {
	for {
		s.mu.Lock()
		names := s.fresh
		s.fresh = nil
		s.telling = len(names) > 0
		s.mu.Unlock()
		if len(names) == 0 || s.gained(ctx, names) != nil {
			return
		}
	}
}

// update notes the answer. A lock with another number was somebody else's in
// between: it is new as well, once its old turn is over.
func (s *leases) update(names []string, fences []int64, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, name := range names {
		old, had := s.own[name]
		switch {
		case fences[i] == 0:
			delete(s.own, name)
		case had && old.fence != fences[i] && s.known[name]:
			delete(s.own, name) // its turn ends, the next round takes it anew
		default:
			s.own[name] = lease{fences[i], until}
			if !s.known[name] {
				s.known[name] = true
				s.fresh = append(s.fresh, name)
			}
		}
	}
}

// held returns the number of the lock, 0 without it, and until when it holds.
func (s *leases) held(name string) (int64, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.own[name]
	return l.fence, l.until
}

// lost notes that nobody works on the name here any more.
func (s *leases) lost(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.own, name)
	delete(s.known, name)
}

// count is how many names are held.
func (s *leases) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := 0, s.clock.Now()
	for _, l := range s.own {
		if now.Before(l.until) {
			n++
		}
	}
	return n
}

// release gives the locks back, so that another node need not wait for their
// end.
func (s *leases) release() {
	s.mu.Lock()
	names := make([]string, 0, len(s.own))
	for name := range s.own {
		names = append(names, name)
	}
	clear(s.own)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for at := 0; at < len(names); at += lockChunk {
		if s.shared.Release(ctx, s.token, names[at:min(at+lockChunk, len(names))]) != nil {
			return // they end by themselves
		}
	}
}
