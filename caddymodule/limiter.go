package caddymodule

import (
	"container/list"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// limiterKeys bounds the memory of a limiter: the bucket of the key that was
// quiet longest goes first, and it would be full again by then.
const limiterKeys = 10_000

// limiter is a token bucket per user or address.
type limiter struct {
	clock clock.Clock
	rate  rate.Limit
	burst int

	mu      sync.Mutex // protects buckets and order
	buckets map[string]*list.Element
	order   *list.List // of *bucket, the most recently used in front
}

type bucket struct {
	key string
	lim *rate.Limiter
}

func newLimiter(c clock.Clock, perSecond float64, burst int) *limiter {
	return &limiter{
		clock: c, rate: rate.Limit(perSecond), burst: burst,
		buckets: make(map[string]*list.Element), order: list.New(),
	}
}

// allow takes one token of key. When there is none it reports how long to wait
// for the next.
func (l *limiter) allow(key string) (ok bool, wait time.Duration) {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	if b.lim.AllowN(now, 1) {
		return true, 0
	}
	missing := 1 - b.lim.TokensAt(now)
	return false, time.Duration(missing / float64(l.rate) * float64(time.Second))
}

func (l *limiter) bucket(key string) *bucket {
	if e, ok := l.buckets[key]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if l.order.Len() >= limiterKeys {
		last := l.order.Back()
		delete(l.buckets, last.Value.(*bucket).key)
		l.order.Remove(last)
	}
	b := &bucket{key: key, lim: rate.NewLimiter(l.rate, l.burst)}
	l.buckets[key] = l.order.PushFront(b)
	return b
}

// window is the time in seconds in which an empty bucket fills up.
func (l *limiter) window() int {
	return max(1, int(math.Ceil(float64(l.burst)/float64(l.rate))))
}
