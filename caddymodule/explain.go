package caddymodule

import (
	"errors"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// explain answers where one closed bar comes from. Its records may be restated
// until the lateness has passed, so nothing keeps the answer.
func (k *Klines) explain(q *request) (*reply, error) {
	hub, err := k.loaded()
	if err != nil {
		return nil, err
	}
	eq, p := hub.ParseExplain(asking(q.r.Context(), clientKey(q.r)), q.query)
	if p != nil {
		return nil, fromServe(p)
	}
	a, err := hub.Explain(q.r.Context(), eq)
	if err != nil {
		if p, ok := errors.AsType[*serve.Problem](err); ok {
			return nil, fromServe(p)
		}
		return nil, err
	}
	rep := fromHub(a)
	rep.control = "no-cache"
	return rep, nil
}
