package caddymodule

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

// authenticated tells whether an authentication handler certainly runs before
// the handler that is being provisioned in ctx. It looks at what Caddy has
// decoded so far, which is in the order of the requests' way: routes that were
// provisioned have handlers, the one we are in is the first that still has raw
// ones, and its earlier entries are readable as JSON.
//
// It errs on the safe side. A matcher in front of an authentication handler
// proves nothing about our requests, unless it leaves out preflights only. Neither
// does a route of a group, which is skipped when another one of its group has
// matched.
func authenticated(ctx caddy.Context) bool {
	chain := ctx.Modules()
	for i := range len(chain) - 1 {
		next := chain[i+1].CaddyModule().ID.Name()
		switch m := chain[i].(type) {
		case *caddyhttp.App:
			if serverGuards(m, next) {
				return true
			}
		case *caddyhttp.Subroute:
			if guardOf(m.Routes, next) == guarded {
				return true
			}
		}
	}
	return false
}

// guardState is what a list of routes says about the place we are at.
type guardState uint8

const (
	elsewhere guardState = iota // all of its routes are provisioned: we are not in it
	unguarded                   // we are in it, with nothing certain before us
	guarded                     // we are in it, behind authentication
)

// serverGuards looks at the routes of the only server. Of several the current
// one cannot be told, and they are provisioned in random order: what is
// accepted must not depend on it. Routes for errors and named routes come
// behind the routes and are entered from anywhere: nothing is certain there.
func serverGuards(app *caddyhttp.App, next string) bool {
	if len(app.Servers) != 1 {
		return false
	}
	for _, srv := range app.Servers {
		return guardOf(srv.Routes, next) == guarded
	}
	return false
}

// guardOf looks for authentication in front of the first route that is not
// provisioned yet. next is the handler through which the way to us leads.
func guardOf(routes caddyhttp.RouteList, next string) guardState {
	before := false
	for _, route := range routes {
		if len(route.HandlersRaw) > 0 {
			if before || guardInRoute(route.HandlersRaw, next) {
				return guarded
			}
			return unguarded
		}
		if (len(route.MatcherSets) > 0 || len(route.MatcherSetsRaw) > 0 || route.Group != "") && !allButPreflights(route) {
			continue
		}
		for _, h := range route.Handlers {
			if _, ok := h.(*caddyauth.Authentication); ok {
				before = true
			}
		}
	}
	return elsewhere
}

// allButPreflights tells whether the matcher of a route is `not method OPTIONS`
// and nothing else. Browsers send preflights without credentials: behind an
// authentication that asks for them no allow_origin could be used. It proves as
// much as no matcher, since the handlers that ask answer an OPTIONS with the CORS
// headers for an origin that is configured, or with 401: they look at the identity
// of each request themselves.
func allButPreflights(route caddyhttp.Route) bool {
	if route.Group != "" || len(route.MatcherSetsRaw) > 0 || len(route.MatcherSets) != 1 || len(route.MatcherSets[0]) != 1 {
		return false
	}
	not, ok := route.MatcherSets[0][0].(*caddyhttp.MatchNot)
	if !ok || len(not.MatcherSets) != 1 || len(not.MatcherSets[0]) != 1 {
		return false
	}
	method, ok := not.MatcherSets[0][0].(*caddyhttp.MatchMethod)
	return ok && slices.Equal(*method, caddyhttp.MatchMethod{http.MethodOptions})
}

// guardInRoute looks at the entries in front of the first one that may lead to
// us.
func guardInRoute(entries []json.RawMessage, next string) bool {
	for _, raw := range entries {
		var entry struct {
			Handler string `json:"handler"`
		}
		if err := json.Unmarshal(raw, &entry); err != nil {
			return false
		}
		switch entry.Handler {
		case "authentication":
			return true
		case next:
			return false
		}
	}
	return false
}
