package feed

import (
	"errors"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

const (
	// breakAfter is how many failures in a row open the breaker.
	breakAfter = 5
	firstBreak = time.Second
	maxBreak   = time.Minute
)

// breaker keeps a feed with many symbols from asking a venue that is away once
// per symbol: after some failures one probe at a time goes through.
type breaker struct {
	clock clock.Clock

	mu       sync.Mutex // protects the rest
	failures int
	until    time.Time
	last     error     // of the newest request, nil when it was answered
	rest     time.Time // until when the venue has told us not to ask
	answer   time.Time // when it last answered
}

// wait returns how long it is open, 0 when it may be tried now.
func (b *breaker) wait() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left(b.clock.Now())
}

func (b *breaker) left(now time.Time) time.Duration {
	if b.failures < breakAfter {
		return 0
	}
	return max(b.until.Sub(now), 0)
}

// enter reports whether the caller may ask, which it then does at once: a probe
// that first had to wait for something else would wait for itself as well.
func (b *breaker) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	if b.left(now) > 0 {
		return false
	}
	if b.failures >= breakAfter {
		// This one is the probe; the others wait until it is back, or was lost.
		b.until = now.Add(b.length())
	}
	return true
}

func (b *breaker) length() time.Duration {
	return min(firstBreak<<min(b.failures-breakAfter, 10), maxBreak)
}

// saw notes how a request ended. Refusals that only concern one question say
// nothing about the venue.
func (b *breaker) saw(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.answer = b.clock.Now()
	}
	fe := new(fetchError)
	switch {
	case err == nil, errors.As(err, &fe) && !fe.retry:
		b.failures, b.until, b.last, b.rest = 0, time.Time{}, nil, time.Time{}
	case errors.As(err, &fe):
		b.last, b.rest = err, b.clock.Now().Add(fe.after)
		if b.failures++; b.failures >= breakAfter {
			b.until = b.clock.Now().Add(b.length())
		}
	}
}

// why is how the newest request failed, nil when it was answered.
func (b *breaker) why() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// refuses is why the venue is not asked at present, nil when it may be.
func (b *breaker) refuses() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.clock.Now(); b.left(now) > 0 || now.Before(b.rest) {
		return b.last
	}
	return nil
}

// answered is when the venue last did.
func (b *breaker) answered() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answer
}
