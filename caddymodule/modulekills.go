package caddymodule

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// killsPath begins the routes of what is stopped. No module can have that name.
const killsPath = "_kills"

// killsBody is the answer of GET /v1/modules/_kills, and of those that change it.
type killsBody struct {
	Kills registry.Kills `json:"kills"`
	// Stored is false where nothing is stored of what was just stopped: a name to come,
	// or a typo. nil: something is, or nobody knows.
	Stored *bool `json:"stored,omitempty"`
}

// killRouteOf finds the routes below /v1/modules/_kills.
func killRouteOf(parts []string) (methods map[string]moduleRoute, target moduleTarget, ok bool) {
	list := moduleRoute{"kills", actionOperate, nil, (*Uploads).kills}
	if len(parts) == 0 {
		return map[string]moduleRoute{http.MethodGet: list, http.MethodHead: list}, target, true
	}
	switch target.scope = registry.Scope(parts[0]); {
	case len(parts) == 1 && target.scope == registry.ScopeAll:
	case len(parts) == 2 && target.scope == registry.ScopeModule:
		target.module = parts[1]
	case len(parts) == 2 && target.scope == registry.ScopeTenant:
		target.tenant = parts[1]
	default:
		return nil, target, false
	}
	return map[string]moduleRoute{
		http.MethodPut:    {"kill", actionOperate, nil, (*Uploads).kill},
		http.MethodDelete: {"kill_lift", actionOperate, nil, (*Uploads).lift},
	}, target, true
}

func (u *Uploads) kills(q *moduleRequest) error { return u.killsWith(q, nil) }

func (u *Uploads) killsWith(q *moduleRequest, stored *bool) error {
	list, err := u.engine.compute.modules.registry.Kills(q.r.Context())
	if err != nil {
		return u.refusal(q, err)
	}
	return q.json(http.StatusOK, killsBody{append(registry.Kills{}, list...), stored})
}

// kill answers PUT /v1/modules/_kills/{scope}[/{name}]. This node stops at once,
// others when they look.
func (u *Uploads) kill(q *moduleRequest) error {
	reason, p := readReason(q.r)
	if p != nil {
		return p
	}
	if p := u.knownTenant(q.target.tenant); p != nil {
		return p
	}
	m := u.engine.compute.modules
	k := registry.Kill{Scope: q.target.scope, Name: q.target.stopName(), Reason: reason}
	if err := m.registry.Stop(q.r.Context(), k); err != nil {
		return u.refusal(q, err)
	}
	q.note = "stopped"
	if err := m.lookForKills(q.r.Context()); err != nil {
		return u.refusal(q, err)
	}
	var stored *bool
	if found, err := m.registry.Meets(q.r.Context(), k); err == nil && !found && k.Scope != registry.ScopeAll {
		stored = &found
	}
	return u.killsWith(q, stored)
}

func (u *Uploads) lift(q *moduleRequest) error {
	m := u.engine.compute.modules
	if err := m.registry.Lift(q.r.Context(), q.target.scope, q.target.stopName()); err != nil {
		return u.refusal(q, err)
	}
	q.note = "lifted"
	if err := m.lookForKills(q.r.Context()); err != nil {
		return u.refusal(q, err)
	}
	m.lift()
	return u.kills(q)
}

// knownTenant refuses a name that no tenant has: a kill with a typo would stop
// nothing and look as if it did.
func (u *Uploads) knownTenant(name string) *problem {
	if name == "" || name == defaultTenant || slices.ContainsFunc(u.Tenants, func(t Tenant) bool { return t.Name == name }) {
		return nil
	}
	return &problem{code: "unknown-tenant", status: http.StatusNotFound, title: "Unknown tenant", param: "tenant", value: name, detail: "no tenant of this site has that name"}
}

// stopName is what a kill is of.
func (t *moduleTarget) stopName() string {
	if t.scope == registry.ScopeTenant {
		return t.tenant
	}
	return t.module
}

// readReason reads {"reason":"text"}; no body is no reason.
func readReason(r *http.Request) (string, *problem) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCommand+1))
	if err == nil && len(body) == 0 {
		return "", nil
	}
	mediaType, _, typeErr := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if typeErr != nil || mediaType != "application/json" {
		return "", unsupportedType("the body is sent with Content-Type: application/json", "application/json")
	}
	var doc struct {
		Reason string `json:"reason"`
	}
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err != nil || len(body) > maxCommand || dec.Decode(&doc) != nil || dec.More() {
		return "", &problem{code: "bad-body", status: http.StatusBadRequest, title: "Bad body", detail: `the body is a JSON object such as {"reason":"wrong numbers"}, or there is none`, allowed: []string{"reason"}}
	}
	return doc.Reason, nil
}
