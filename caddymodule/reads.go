package caddymodule

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

const jsonType = "application/json; charset=utf-8"

// loaded is the hub once it has seen the log up to its end. Until then a chart
// would get a history that ends in the middle.
func (k *Klines) loaded() (*serve.Hub, error) {
	hub := k.engine.hub()
	if hub == nil || !hub.Ready() {
		return nil, starting()
	}
	return hub, nil
}

func (k *Klines) klines(q *request) (*reply, error) {
	hub, err := k.loaded()
	if err != nil {
		return nil, err
	}
	kq, p := hub.ParseKlines(q.query, k.MaxLimit)
	if p != nil {
		return nil, fromServe(p)
	}
	kq.IfNoneMatch, kq.Reserve = q.match, q.held.hold
	a, err := hub.Klines(q.r.Context(), kq)
	if err != nil {
		return nil, err
	}
	return fromHub(a).paged(q), nil
}

func (k *Klines) latest(q *request) (*reply, error) {
	hub, err := k.loaded()
	if err != nil {
		return nil, err
	}
	sel, p := hub.ParseLatest(asking(q.r.Context(), clientKey(q.r)), q.query)
	if p != nil {
		return nil, fromServe(p)
	}
	if p := k.engine.quotas.take(clientKey(q.r), hub.OnDemandOf(&sel)); p != nil {
		return nil, p
	}
	sel.Client, sel.Reserve = clientKey(q.r), q.held.hold
	a, err := hub.Latest(q.r.Context(), sel, q.match)
	if err != nil {
		return nil, err
	}
	return fromHub(a), nil
}

func (k *Klines) bundle(q *request) (*reply, error) {
	hub, err := k.loaded()
	if err != nil {
		return nil, err
	}
	bq, p := hub.ParseBundle(asking(q.r.Context(), clientKey(q.r)), q.query, k.MaxLimit)
	if p != nil {
		return nil, fromServe(p)
	}
	if p := k.engine.quotas.take(clientKey(q.r), hub.OnDemandOf(&bq.Selection)); p != nil {
		return nil, p
	}
	bq.Selection.Client, bq.Selection.Reserve = clientKey(q.r), q.held.hold
	a, err := hub.Bundle(q.r.Context(), bq, q.match)
	if err != nil {
		return nil, err
	}
	return fromHub(a).paged(q), nil
}

func (k *Klines) values(q *request) (*reply, error) {
	hub, err := k.loaded()
	if err != nil {
		return nil, err
	}
	vq, p := hub.ParseValues(asking(q.r.Context(), clientKey(q.r)), q.query, k.MaxLimit)
	if p != nil {
		return nil, fromServe(p)
	}
	if p := k.engine.quotas.take(clientKey(q.r), hub.OnDemandValues(&vq)); p != nil {
		return nil, p
	}
	vq.IfNoneMatch, vq.Client, vq.Reserve = q.match, clientKey(q.r), q.held.hold
	a, err := hub.Values(q.r.Context(), vq)
	if err != nil {
		return nil, err
	}
	return fromHub(a).paged(q), nil
}

func (k *Klines) symbols(q *request) (*reply, error) {
	hub, err := k.loaded()
	if err != nil {
		return nil, err
	}
	sq, p := hub.ParseSymbols(q.query)
	if p != nil {
		return nil, fromServe(p)
	}
	return fromHub(hub.Symbols(sq, q.match)), nil
}

// indicators lists what the loaded modules offer. The list needs no bars, so it
// is there as soon as the engine was started.
func (k *Klines) indicators(q *request) (*reply, error) {
	if err := q.only("module"); err != nil {
		return nil, err
	}
	hub := k.engine.hub()
	if hub == nil {
		return nil, starting()
	}
	if m := q.query.Get("module"); m != "" {
		return k.indicatorsOf(q, m)
	}
	a := hub.Indicators(q.match)
	a.Body = linksBelow(publicPrefix(q.r), a.Body)
	return &reply{answer: a, control: "no-cache"}, nil
}

// indicatorsOf lists the indicators of one module.
func (k *Klines) indicatorsOf(q *request, module string) (*reply, error) {
	all, _ := k.engine.compute.describe()
	of := slices.DeleteFunc(all, func(s indicatorSummary) bool { return s.Module != module })
	body, err := json.Marshal(append([]indicatorSummary{}, of...))
	if err != nil {
		return nil, err
	}
	return &reply{answer: serve.Answer{Body: linksBelow(publicPrefix(q.r), body), ContentType: jsonType}, control: "no-cache"}, nil
}

func (k *Klines) indicator(q *request) (*reply, error) {
	if err := q.only(); err != nil {
		return nil, err
	}
	hub := k.engine.hub()
	if hub == nil {
		return nil, starting()
	}
	a, p := hub.Indicator(q.name, q.match)
	if p != nil {
		return nil, fromServe(p)
	}
	return &reply{answer: a, control: "no-cache"}, nil
}

// status answers 200 from the first moment on, whatever the state is.
func (k *Klines) status(q *request) (*reply, error) {
	if err := q.only(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(k.engine.statusBody())
	if err != nil {
		return nil, err
	}
	return &reply{answer: serve.Answer{Body: body, ContentType: jsonType}, control: "no-store"}, nil
}

// healthBody is the answer of /v1/health.
type healthBody struct {
	Status string `json:"status"` // "ready" or "not ready"
	// Reasons are those of /v1/status: whoever sees that a probe fails reads on here.
	Reasons []string `json:"reasons,omitempty"`
}

// health is readiness alone, and where it is missing, why.
func (k *Klines) health(q *request) (*reply, error) {
	if err := q.only(); err != nil {
		return nil, err
	}
	health, status := healthBody{Status: "ready"}, http.StatusOK
	if s := k.engine.status(); !s.Ready {
		health, status = healthBody{"not ready", s.Reasons}, http.StatusServiceUnavailable
	}
	body, err := json.Marshal(health)
	if err != nil {
		return nil, err
	}
	rep := &reply{answer: serve.Answer{Body: body, ContentType: jsonType}, control: "no-store", status: status}
	return rep, nil
}
