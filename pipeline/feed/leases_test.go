package feed

import (
	"context"
	"errors"
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
}

func (m *moody) Hold(ctx context.Context, token string, names []string, ttl time.Duration) ([]int64, error) {
	switch {
	case m.away.Load():
		return nil, errors.New("no lock store")
	case m.stolen.Load():
		return make([]int64, len(names)), nil
	}
	return m.Memory.Hold(ctx, token, names, ttl)
}

// quiet checks that nobody asks the venue later than limit from now, until then
// it may.
func quiet(t *testing.T, e *exchange, limit time.Duration) {
	t.Helper()
	time.Sleep(limit)
	asked := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.asked)
	}
	n := asked()
	time.Sleep(500 * time.Millisecond)
	if more := asked() - n; more > 0 {
		t.Errorf("%d requests %s after the lock was gone", more, limit)
	}
}

func TestWhoeverLostItsLockAsksNoMore(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(3)
	m := &moody{Memory: NewMemory(clock.Real())}
	out.shared = m
	polls(t, e, out, c)
	within(t, "the trades", func() bool { return len(out.ids("A")) == 3 })
	m.stolen.Store(true)
	quiet(t, e, time.Second) // two rounds of a lease of 2 s
	e.happen(2)
	m.stolen.Store(false)
	within(t, "the trades since", func() bool { return len(out.ids("A")) == 5 })
}

func TestWithoutALockStoreALockEndsBeforeItsTime_D01(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
	e.happen(3)
	m := &moody{Memory: NewMemory(clock.Real())}
	out.shared = m
	polls(t, e, out, c)
	within(t, "the trades", func() bool { return len(out.ids("A")) == 3 })
	m.away.Store(true)
	quiet(t, e, 1900*time.Millisecond) // of a lease of 2 s
	if c.of(c.errors, reasonLock) == 0 {
		t.Error("nobody counts that the lock store is away")
	}
	m.away.Store(false)
	e.happen(1)
	within(t, "the trade since", func() bool { return len(out.ids("A")) == 4 })
}

func TestTheStreamEndsWithItsLock(t *testing.T) {
	e, out, c := newExchange(t), newLog(t), newCounts()
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
