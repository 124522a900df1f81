package caddymodule

import (
	"net/http"
	"slices"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// activate answers POST /v1/modules/{module}/activate.
func (u *Uploads) activate(q *moduleRequest) error {
	records, err := u.find(q, actionPublish)
	if err != nil {
		return err
	}
	version, now, p := readCommand(q.r)
	if p != nil {
		return p
	}
	q.target.version = version
	i := slices.IndexFunc(records, func(r registry.Record) bool { return r.Version == version })
	if i < 0 {
		return unknownModule(q.target.module)
	}
	q.target.sum = records[i].SHA256
	activator := u.engine.compute.modules.active()
	if activator == nil {
		return noActivator()
	}
	// The bytes are compared before anything is wished for: what is damaged
	// would fail on every node at once.
	if _, err := u.engine.compute.modules.registry.Open(q.r.Context(), q.target.sum); err != nil {
		return u.openFailed(q, err)
	}
	a, err := activator.Activate(q.r.Context(), q.target.module, version, q.target.sum, now, q.who.id)
	return u.accepted(q, a, err)
}

func (u *Uploads) accepted(q *moduleRequest, a Activation, err error) error {
	if err != nil {
		return u.refusal(q, err)
	}
	q.note = a.State
	return q.json(http.StatusAccepted, a)
}

func (u *Uploads) rollback(q *moduleRequest) error {
	if _, err := u.find(q, actionPublish); err != nil {
		return err
	}
	version, p := readLeft(q.r)
	if p != nil {
		return p
	}
	q.target.version = version
	activator := u.engine.compute.modules.active()
	if activator == nil {
		return noActivator()
	}
	a, err := activator.Rollback(q.r.Context(), q.target.module, version, q.who.id)
	return u.accepted(q, a, err)
}

func (u *Uploads) deactivate(q *moduleRequest) error {
	if _, err := u.find(q, actionPublish); err != nil {
		return err
	}
	activator := u.engine.compute.modules.active()
	if activator == nil {
		return noActivator()
	}
	if err := activator.Deactivate(q.r.Context(), q.target.module, q.who.id); err != nil {
		return u.refusal(q, err)
	}
	a, _ := activator.State(q.target.module)
	a.Module = q.target.module
	return u.accepted(q, a, nil)
}
