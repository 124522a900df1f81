package serve

import (
	"strconv"
	"sync/atomic"
)

// maxClientExtras is how many series one client may have computed on demand at a
// time: with fewer than a sixteenth of maxExtras nobody takes the place of all others.
const maxClientExtras = 1024

// placeKey names a series that is computed on demand, also one of a symbol that
// nobody has traded.
type placeKey struct {
	symbol string
	itv, n int
}

// claim is the room of one series on demand in the bound of the node: from the
// moment a stream is admitted or a read begins to compute it, until nobody holds
// it and it is computed no more. Counting what is computed alone would let streams
// that have not joined yet go beyond the bound together.
//
// Whoever claims a series first is charged for it, so one that others look at
// already costs nothing.
type claim struct {
	dyn    *dynamic
	client string       // who is charged; never changed
	used   atomic.Int64 // ms, when the client read it last

	// All below is guarded by the Hub's lock.
	holds   int  // streams and reads that need the room
	own     int  // streams of the client among them
	placed  bool // it is computed, or waits for its first bar
	charged bool
}

// claims are those of a Hub, guarded by its lock.
type claims struct {
	all     map[placeKey]*claim
	clients map[string]int // charged, by client
}

func newClaims() claims {
	return claims{all: map[placeKey]*claim{}, clients: map[string]int{}}
}

// keysOf lists what a selection needs of what is computed on demand.
func (h *Hub) keysOf(sel *Selection) []placeKey {
	var out []placeKey
	for i := range sel.Pairs {
		p := &sel.Pairs[i]
		for _, n := range p.inds {
			if h.isDynamic(n) {
				out = append(out, placeKey{p.Symbol, p.itv, n})
			}
		}
	}
	return out
}

// room tells what keeps a client from having these series. The caller holds the
// lock.
func (h *Hub) room(keys []placeKey, client, param string) *Problem {
	more, own := 0, 0
	for _, k := range keys {
		if h.claims.all[k] == nil {
			more++
			if _, known := h.configured(k.n); !known {
				own++
			}
		}
	}
	switch {
	case more == 0:
		return nil
	case len(h.claims.all)+more > maxExtras:
		return &Problem{Status: 429, Code: CodeTooMany, Param: param, Limit: maxExtras,
			Detail: "too many series are computed on demand just now; try again later"}
	case client != "" && own > 0 && h.claims.clients[client]+own > maxClientExtras:
		return &Problem{Status: 429, Code: CodeTooMany, Param: param, Limit: maxClientExtras, RetryAfter: int(idleAfter.Seconds()),
			Detail: "a user may have " + strconv.Itoa(maxClientExtras) + " series computed on demand at a time; one that nobody looks at is given up after five minutes"}
	}
	return nil
}

// hold claims a series, for which there is room. The caller holds the lock.
func (h *Hub) hold(k placeKey, client string) *claim {
	c := h.claims.all[k]
	if c == nil {
		c = &claim{dyn: h.dynamic(k.n), client: client}
		c.dyn.series.Add(1)
		h.claims.all[k] = c
		_, known := h.configured(k.n)
		if c.charged = client != "" && !known; c.charged {
			h.claims.clients[client]++
		}
	}
	c.holds++
	return c
}

// unhold ends what hold began. The caller holds the lock.
func (h *Hub) unhold(k placeKey) {
	c := h.claims.all[k]
	c.holds--
	h.dropClaim(k, c)
}

// dropClaim gives back the room of a series that nobody holds and that is not
// computed. The caller holds the lock.
func (h *Hub) dropClaim(k placeKey, c *claim) {
	if c.holds > 0 || c.placed {
		return
	}
	h.discharge(c)
	c.dyn.series.Add(-1)
	delete(h.claims.all, k)
}

func (h *Hub) discharge(c *claim) {
	if !c.charged {
		return
	}
	c.charged = false
	if h.claims.clients[c.client]--; h.claims.clients[c.client] == 0 {
		delete(h.claims.clients, c.client)
	}
}

// dischargeIdle ends the charge for series that others look at alone. before is a
// time in ms.
func (h *Hub) dischargeIdle(before int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.claims.all {
		if c.own == 0 && c.used.Load() < before {
			h.discharge(c)
		}
	}
}

// read notes that a client has read a series.
func (c *claim) read(client string, now int64) {
	if client == c.client {
		c.used.Store(now)
	}
}

// reserve claims the series on demand of a stream. The caller holds the lock.
func (h *Hub) reserve(s *Subscriber) *Problem {
	keys, client := h.keysOf(&s.opts.Selection), s.opts.Selection.Client
	if p := h.room(keys, client, "s"); p != nil {
		return p
	}
	for _, k := range keys {
		if c := h.hold(k, client); c.client == client {
			c.own++
		}
	}
	s.claims = keys
	return nil
}

// unreserve ends what reserve began. A series of a symbol that nobody has traded is
// given up at once: there is nothing that would have to be computed again for
// whoever asks next. The caller holds the lock.
func (h *Hub) unreserve(s *Subscriber) {
	now := h.now()
	for _, k := range s.claims {
		c := h.claims.all[k]
		if c.client == s.opts.Selection.Client {
			c.own--
			c.used.Store(now)
		}
		h.clear(k)
		h.unhold(k)
	}
	s.claims = nil
}

// clear gives up the place of a series that nobody listens to and whose symbol no
// record has named. There is no state yet. The caller holds the lock.
func (h *Hub) clear(k placeKey) {
	s := h.symbols[k.symbol]
	if s == nil || s.p >= 0 || s.groups[k.itv] == nil {
		return
	}
	g := s.groups[k.itv]
	g.mu.Lock()
	defer g.mu.Unlock()
	if x := g.extras[k.n]; x != nil && len(x.series.subs) == 0 {
		h.displace(place{g, k.n, x})
	}
}

// keyOf names the series of instance n on g.
func keyOf(g *group, n int) placeKey { return placeKey{g.symbol.name, g.itv, n} }

// settle makes the place of a series that was claimed. The caller holds both locks.
func (h *Hub) settle(g *group, n int, c *claim) *extra {
	c.placed = true
	x := g.newExtra(n, c, h.floorOf(g))
	x.used.Store(h.now())
	h.dyn.extras.Add(1)
	h.computed[g] = struct{}{}
	h.sizeLead(g)
	return x
}

// displace takes a place away whose states were ended or never began. The caller
// holds both locks.
func (h *Hub) displace(p place) {
	delete(p.g.extras, p.n)
	if len(p.g.extras) == 0 {
		delete(h.computed, p.g)
	}
	p.x.gone = true
	h.dyn.extras.Add(-1)
	h.sizeLead(p.g)
	h.weigh(p.g)
	p.x.claim.placed = false
	h.dropClaim(keyOf(p.g, p.n), p.x.claim)
}
