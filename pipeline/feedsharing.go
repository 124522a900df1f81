package pipeline

import (
	"sync"

	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/feed/shared"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/view/redis"
)

// feedSharing is what the feeds of an engine share with those of other nodes. Its
// zero value is ready.
type feedSharing struct {
	mu    sync.Mutex // protects the rest
	made  feed.Shared
	close func() error
}

// get makes it at the first call: in Redis if there is one, else in memory. In
// Redis it belongs to one input: two that use the same server share nothing.
func (s *feedSharing) get(e *Engine, layout kafka.Layout) feed.Shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.made != nil:
	case e.cfg.Redis == nil:
		s.made = feed.NewMemory(e.cfg.Clock)
	default:
		cfg := e.redisConfig(layout)
		r := shared.New(redis.NewClient(&cfg), cfg.KeyPrefix, layout.Mapping)
		s.made, s.close = r, r.Close
	}
	return s.made
}

// end gives the connections back.
func (s *feedSharing) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.close != nil {
		_ = s.close() // locks end by themselves
		s.close = nil
	}
}
