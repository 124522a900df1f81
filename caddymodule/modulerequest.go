package caddymodule

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// moduleRequest is one request on its way.
type moduleRequest struct {
	w      http.ResponseWriter
	r      *http.Request
	target moduleTarget
	query  map[string][]string
	who    person
	status int            // of an answer that was written
	note   string         // for the audit log: what happened
	faults map[string]int // kept ones, by the sum of their version; nil before they are asked for
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (u *Uploads) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/modules")
	if !ok || rest != "" && rest[0] != '/' {
		if strings.HasPrefix(matchedPath(r.URL.Path), "/v1/modules") {
			unknownRoute(r.URL.Path).write(w, r)
			return nil
		}
		return next.ServeHTTP(w, r)
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if origins(u.AllowOrigins).applyFor(w, r, "GET, HEAD, PUT, POST, DELETE", "Authorization, Content-Type, "+signatureHeader) {
		return nil
	}
	route, target, p := moduleRouteOf(rest, r.Method)
	q := &moduleRequest{w: w, r: r, target: target}
	if p := u.enter(q, route, p); p != nil {
		u.finish(q, route.name, p)
		return nil
	}
	if p := u.takeBody(q, route); p != nil {
		u.finish(q, route.name, p)
		return nil
	}
	u.finish(q, route.name, route.answer(u, q))
	return nil
}

// safe tells whether the request changes nothing, by its method.
func (q *moduleRequest) safe() bool {
	return q.r.Method == http.MethodGet || q.r.Method == http.MethodHead
}

// enter applies what all routes have in common. Who it is comes first: without
// an identity nothing is told, not even that a path is wrong.
func (u *Uploads) enter(q *moduleRequest, route moduleRoute, wrong *problem) *problem {
	id, p := u.rights.identity(q.r)
	if p != nil {
		return p
	}
	q.who = u.rights.person(id)
	q.r = q.r.WithContext(registry.By(q.r.Context(), registry.Actor{ID: id, Address: clientIP(q.r)}))
	if ok, wait := u.limiter.allow("u" + id); !ok {
		return rateLimited(int(math.Ceil(wait.Seconds())))
	}
	if wrong != nil {
		return wrong
	}
	if err := u.cross.Check(q.r); err != nil {
		return forbidden("the request comes from a page of another origin")
	}
	if p := q.who.authorize(route.action, ""); p != nil {
		return p
	}
	if p := q.target.check(); p != nil {
		return p
	}
	query, p := queryOf(q.r, klinesQuery)
	if p != nil {
		return p
	}
	q.query = query
	if err := (&request{query: query}).only(route.params...); err != nil {
		return err.(*problem) //nolint:errorlint // only returns nothing else
	}
	return nil
}

// finish writes a refusal, counts, and keeps a record of who did what.
func (u *Uploads) finish(q *moduleRequest, route string, err error) {
	p := new(problem)
	switch {
	case err == nil:
	case errors.As(err, &p):
	case q.r.Context().Err() != nil:
		q.status = 499 // the client is gone: nobody to tell
	default:
		u.logger.Error("answering a request about modules", zap.String("route", route), zap.String("id", requestID(q.r)), zap.Error(err))
		p = internalError()
	}
	if p.status != 0 {
		hurry(q.w, q.r, u.engine.clock.Now())
		p.write(q.w, q.r)
		q.status, q.note = p.status, p.code
	}
	u.engine.metrics.requests.WithLabelValues(route, strconv.Itoa(q.status)).Inc()
	u.noteRefusal(q, route)
	if q.safe() {
		return
	}
	u.audit.Info("module request",
		zap.String("route", route), zap.String("user", cut(q.who.id)), zap.String("client_ip", clientIP(q.r)), zap.String("module", cut(q.target.module)),
		zap.String("version", cut(q.target.version)), zap.String("sha256", q.target.sum), zap.Int("status", q.status),
		zap.String("result", q.note), zap.String("id", requestID(q.r)))
}

// noteRefusal enters a refused request into the audit log: who was not let in
// anywhere, and what would have changed something. What the storage refused for
// want of an answer could not be entered there either.
func (u *Uploads) noteRefusal(q *moduleRequest, route string) {
	denied := q.status == http.StatusUnauthorized || q.status == http.StatusForbidden
	if q.status < 400 || q.status >= 500 || q.safe() && !denied {
		return
	}
	u.engine.compute.modules.refusals.note(registry.Entry{
		Action: registry.ActionRefused, Result: q.note, Actor: cut(q.who.id), Address: clientIP(q.r), Module: cut(q.target.module), Version: cut(q.target.version), Note: route,
	})
}
