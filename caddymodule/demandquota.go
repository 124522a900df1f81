package caddymodule

import (
	"container/list"
	"net/http"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

const (
	// maxDemanded is how many different instances a user may ask for beyond the
	// configured ones.
	maxDemanded = 64
	// demandedTime is how long an instance counts after it was asked for last:
	// a little longer than the node keeps computing it.
	demandedTime = 6 * time.Minute
)

// demandQuotas are the instances on demand that each user or address has asked for.
// Without them one client could take the place of all others.
type demandQuotas struct {
	clock clock.Clock

	mu      sync.Mutex // protects below
	clients map[string]*list.Element
	order   *list.List // of *demandQuota, the most recently used in front
}

type demandQuota struct {
	key   string
	names map[string]time.Time
}

func newDemandQuotas(c clock.Clock) *demandQuotas {
	return &demandQuotas{clock: c, clients: map[string]*list.Element{}, order: list.New()}
}

// take notes that a client asks for instances, or refuses what is too many.
func (a *demandQuotas) take(key string, names []string) *problem {
	if len(names) == 0 {
		return nil
	}
	now := a.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.client(key)
	for name, at := range c.names {
		if now.Sub(at) > demandedTime {
			delete(c.names, name)
		}
	}
	if name, over := c.over(names); over {
		return &problem{
			code: serve.CodeTooMany, status: http.StatusTooManyRequests, title: "Too many indicators", param: "ind", value: name, limit: maxDemanded,
			detail:     "a user may ask for 64 different indicators beyond the configured ones within six minutes",
			retryAfter: int(demandedTime.Seconds()),
		}
	}
	for _, name := range names {
		c.names[name] = now
	}
	return nil
}

// over is the first of names for which there is no place, if there is one.
func (c *demandQuota) over(names []string) (string, bool) {
	fresh := map[string]bool{}
	for _, name := range names {
		if _, known := c.names[name]; !known {
			fresh[name] = true
		}
		if len(c.names)+len(fresh) > maxDemanded {
			return name, true
		}
	}
	return "", false
}

func (a *demandQuotas) client(key string) *demandQuota {
	if e, ok := a.clients[key]; ok {
		a.order.MoveToFront(e)
		return e.Value.(*demandQuota)
	}
	if a.order.Len() >= limiterKeys {
		last := a.order.Back()
		delete(a.clients, last.Value.(*demandQuota).key)
		a.order.Remove(last)
	}
	c := &demandQuota{key: key, names: map[string]time.Time{}}
	a.clients[key] = a.order.PushFront(c)
	return c
}
