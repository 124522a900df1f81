package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// AdminAPI adds read-only routes to Caddy's admin endpoint: /kline/status,
// /kline/health/live, /kline/health/ready, /kline/indicators and /kline/modules. Nothing can be
// changed through them, since the endpoint has no authentication by default.
type AdminAPI struct {
	ctx caddy.Context
}

// errHealth is all that a probe is told; the reasons are in the status.
var errHealth = errors.New("not ready")

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.kline", New: func() caddy.Module { return new(AdminAPI) }}
}

// Provision keeps the context. The app is looked up by each request: this
// router is provisioned before any app, and it is never cleaned up, so a
// reference taken here would keep an engine alive for ever.
func (a *AdminAPI) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	return nil
}

// Routes implements caddy.AdminRouter.
func (a *AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/kline/status", Handler: a.get(a.status)},
		{Pattern: "/kline/health/live", Handler: a.get(a.live)},
		{Pattern: "/kline/health/ready", Handler: a.get(a.ready)},
		{Pattern: "/kline/indicators", Handler: a.get(a.indicators)},
		{Pattern: "/kline/modules", Handler: a.get(a.modules)},
	}
}

// get refuses methods that could change something, and finds the engine.
func (a *AdminAPI) get(f func(e *engine) (any, error)) caddy.AdminHandler {
	return caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("method not allowed")}
		}
		e, err := engineOf(a.ctx)
		if errors.Is(err, caddy.ErrNotConfigured) {
			return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
		}
		if err != nil {
			return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errHealth}
		}
		v, err := f(e)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(v)
	})
}

func (*AdminAPI) status(e *engine) (any, error) { return e.statusBody(), nil }

// live answers as long as the process can.
func (*AdminAPI) live(*engine) (any, error) { return map[string]string{"status": "live"}, nil }

func (*AdminAPI) ready(e *engine) (any, error) {
	if !e.status().Ready {
		return nil, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errHealth}
	}
	return map[string]string{"status": "ready"}, nil
}

func (*AdminAPI) indicators(e *engine) (any, error) {
	list, ok := e.compute.describe()
	if !ok {
		return nil, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errHealth}
	}
	return list, nil
}

// modules lists those of all tenants: whoever reaches this endpoint may change
// the whole configuration.
func (*AdminAPI) modules(e *engine) (any, error) {
	body, err := e.modulesBody(context.Background(), func(*registry.Record) bool { return true })
	if err != nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errHealth}
	}
	return body, nil
}

// engineOf finds the engine of the config that ctx belongs to. The error wraps
// caddy.ErrNotConfigured if that config has no kline block.
func engineOf(ctx caddy.Context) (*engine, error) {
	app, err := ctx.AppIfConfigured("kline")
	if err != nil {
		if errors.Is(err, caddy.ErrNotConfigured) {
			return nil, fmt.Errorf("kline is not configured: add a kline block to the global options: %w", err)
		}
		return nil, fmt.Errorf("loading kline: %w", err)
	}
	a, ok := app.(*App)
	if !ok {
		return nil, fmt.Errorf("loading kline: unexpected type %T", app)
	}
	if a.engine == nil {
		return nil, errors.New("loading kline: it was not provisioned")
	}
	return a.engine, nil
}
