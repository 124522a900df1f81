package serve

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// fakeStore is a database that follows the log and has come as far as the tests
// want: it holds the newest revision of what it has seen.
type fakeStore struct {
	name  string
	asked atomic.Int64
	open  atomic.Int64 // questions in progress
	most  atomic.Int64
	spoil func(q BarQuery, k *wire.KlineRecord) // changes what is answered
	hang  chan struct{}                         // not nil: questions end with their context alone

	mu   sync.Mutex
	fail error
	bars map[string]map[int64][]byte // by symbol@interval
}

func newFakeStore() *fakeStore {
	return &fakeStore{name: "postgres", bars: map[string]map[int64][]byte{}}
}

func (s *fakeStore) Name() string { return s.name }

// take writes records as the sink does.
func (s *fakeStore) take(recs ...Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var k wire.KlineRecord
	for _, r := range recs {
		if wire.DecodeKline(r.Value, &k) != nil {
			continue
		}
		key := k.Sym + "@" + k.Itv
		if s.bars[key] == nil {
			s.bars[key] = map[int64][]byte{}
		}
		s.bars[key][k.T] = r.Value
	}
}

func (s *fakeStore) failWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *fakeStore) Bars(ctx context.Context, q BarQuery, fn func(*wire.KlineRecord) error) error {
	s.asked.Add(1)
	n := s.open.Add(1)
	defer s.open.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	if s.hang != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.hang:
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	held := s.bars[q.Symbol+"@"+q.Interval]
	times := slices.DeleteFunc(slices.Sorted(maps.Keys(held)), func(t int64) bool { return t < q.From || t >= q.To })
	if q.Newest {
		times = times[max(len(times)-q.Limit, 0):]
	}
	for _, t := range times[:min(q.Limit, len(times))] {
		var k wire.KlineRecord
		if err := wire.DecodeKline(held[t], &k); err != nil {
			return err
		}
		if s.spoil != nil {
			s.spoil(q, &k)
		}
		if err := fn(&k); err != nil {
			return err
		}
	}
	return nil
}
