package feed

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// moody is Shared whose lock store gives the locks to somebody else, or does not
// answer.
type moody struct {
	*Memory
	stolen, away atomic.Bool

	mu      sync.Mutex // protects the rest
	given   time.Time  // before the locks were given or renewed last
	refused int        // questions that were not answered
}

func (m *moody) Hold(ctx context.Context, token string, names []string, ttl time.Duration) ([]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.away.Load():
		m.refused++
		return nil, errors.New("no lock store")
	case m.stolen.Load():
		return make([]int64, len(names)), nil
	}
	m.given = time.Now()
	return m.Memory.Hold(ctx, token, names, ttl)
}

// last tells when the locks were given last, and how often there was no answer since.
func (m *moody) last() (given time.Time, refused int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.given, m.refused
}

// quiet waits until nobody asks the venue any more. How soon that is depends on the
// machine.
func quiet(t *testing.T, e *exchange) {
	t.Helper()
	const rest = 500 * time.Millisecond
	began := time.Now()
	within(t, "a time without questions", func() bool {
		n := len(e.questions())
		time.Sleep(rest)
		return len(e.questions()) == n
	})
	t.Logf("nobody asks %s after the lock is gone", time.Since(began)-rest)
}

func TestWhoeverLostItsLockAsksNoMore(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(3)
	e.lease = 2 * time.Second
	m := &moody{Memory: NewMemory(clock.Real())}
	out.shared = m
	polls(t, e, out, c)
	within(t, "the trades", func() bool { return len(out.ids("A")) == 3 })
	m.stolen.Store(true)
	quiet(t, e)
	e.happen(2)
	m.stolen.Store(false)
	within(t, "the trades since", func() bool { return len(out.ids("A")) == 5 })
}

func TestWithoutALockStoreALockEndsBeforeItsTime_D01(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(3)
	e.lease = 2 * time.Second
	m := &moody{Memory: NewMemory(clock.Real())}
	out.shared = m
	h, err := NewHTTP(HTTPConfig{Live: e.config(c), Period: 20 * time.Millisecond, Parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	runs(t, h.Run, out)
	within(t, "the trades", func() bool { return len(out.ids("A")) == 3 })
	m.away.Store(true)
	within(t, "a question without an answer", func() bool { _, refused := m.last(); return refused > 0 })
	given, _ := m.last()
	if _, until := h.lease.held("A"); !until.Before(given.Add(e.lease)) {
		t.Errorf("the lock is used until %s after it was given for %s", until.Sub(given), e.lease)
	}
	quiet(t, e)
	within(t, "the count that the lock store is away", func() bool { return c.of(c.errors, reasonLock) > 0 })
	m.away.Store(false)
	e.happen(1)
	within(t, "the trade since", func() bool { return len(out.ids("A")) == 4 })
}

func TestTheStreamEndsWithItsLock(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.lease = 2 * time.Second
	m := &moody{Memory: NewMemory(clock.Real())}
	out.shared = m
	listens(t, e, out, c, nil)
	m.stolen.Store(true)
	within(t, "no connection", func() bool { return e.connected() == 0 })
	e.happen(2)
	m.stolen.Store(false)
	within(t, "a connection", func() bool { return e.connected() == 1 })
}

// slowLog takes longer to tell where symbols stand than their locks hold.
type slowLog struct {
	*log
	takes time.Duration
}

func (s *slowLog) LastTrades(ctx context.Context, source string, symbols []string) (map[string]LastTrade, error) {
	if err := sleep(ctx, clock.Real(), s.takes); err != nil {
		return nil, err
	}
	return s.log.LastTrades(ctx, source, symbols)
}

func TestLocksAreRenewedWhileALongTopicIsSearched(t *testing.T) {
	t.Parallel()
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(3)
	cfg := e.config(c)
	cfg.LeaseTime = 500 * time.Millisecond
	h, err := NewHTTP(HTTPConfig{Live: cfg, Period: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	runs(t, h.Run, &slowLog{out, 2 * cfg.LeaseTime})
	within(t, "the trades", func() bool { return len(out.ids("A")) == 3 })
}
