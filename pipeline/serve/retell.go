package serve

import "github.com/caddy-kline/caddy-kline/pipeline/wire"

// retelling makes events of what the ring keeps for a client that comes back: byte
// for byte those that listeners were sent, but for the ids. The Hub's lock is held
// all the time.
type retelling struct {
	hub    *Hub
	wanted listening
	at     []point // how far the client is, event by event
	out    []byte
	n      int // events in out
}

// tell appends the events of e that the client wants and does not have.
func (r *retelling) tell(e *entry) {
	switch {
	case e.record == nil:
	case e.restated > 0:
		r.restated(e)
	default:
		r.bar(e)
	}
	for i := range e.events {
		if f := &e.events[i]; r.wanted.to(f.series) && r.next(e, f.at, f.series.rank) {
			r.id()
			r.out = append(r.out, f.event[f.body:]...)
		}
	}
}

func (r *retelling) bar(e *entry) {
	h := r.hub
	k := &h.rec
	if wire.DecodeKline(e.record, k) != nil {
		return // it could be read when it was applied
	}
	g := e.group
	if at := partial(e.at, 0, int(e.last)); r.wanted.to(&g.series[0]) && r.next(e, at, 1) {
		event := eventKline
		if e.kind == kindRevise {
			event = eventRevise
		}
		h.enc.json = appendKline(h.enc.json[:0], k)
		r.event(event)
	}
	if e.kind != kindClosed {
		return
	}
	for i := range k.Ind {
		n, ok := h.instances[k.Ind[i].Name]
		if at := partial(e.at, i+1, int(e.last)); ok && r.wanted.to(&g.series[n+1]) && r.next(e, at, int32(i+2)) {
			h.enc.json = appendValue(h.enc.json[:0], &h.cfg.Instances[n], k, &k.Ind[i])
			r.event(eventIndicator)
		}
	}
}

func (r *retelling) restated(e *entry) {
	h := r.hub
	var x wire.RestatedRecord
	if wire.DecodeRestated(e.record, &x) == nil && r.next(e, e.at, 1) {
		h.enc.json = appendRestated(h.enc.json[:0], &h.cfg.Instances[e.restated-1], &x)
		r.event(eventRevise)
	}
}

// next moves the client to an event at that position, unless it is beyond it. own
// counts the event within its record: the position of the last one stands for the
// whole record, and which one is last differs between nodes.
func (r *retelling) next(e *entry, at point, own int32) bool {
	p := e.group.symbol.p
	if (point{so: at.so, sk: at.sk, sub: own}).compare(r.at[p]) <= 0 {
		return false
	}
	r.at[p] = at
	return true
}

// event appends an event with the JSON in the Hub's encoder. What the framer does not
// take was not sent to anybody, and counted then.
func (r *retelling) event(name string) {
	if bad(r.hub.enc.json) {
		return
	}
	r.id()
	r.out, _, _ = appendEvent(r.out, nil, name, r.hub.enc.json)
}

// id begins an event.
func (r *retelling) id() {
	r.n++
	r.out = append(r.out, "id: "...)
	r.out = appendEventID(r.out, r.hub.cfg.LogID, r.at)
	r.out = append(r.out, '\n')
}
