package caddymodule

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// Limits and defaults of klines.
const (
	klinesQuery  = 2 << 10
	maxRows      = serve.MaxLimit
	defaultRate  = 50
	defaultBurst = 100
	minRate      = 0.001 // a request in 17 minutes
	maxRate      = 1_000_000
)

// Klines answers the JSON routes below /v1: klines, latest, bundle, values,
// explain, indicators, symbols, status and health. Requests for other paths go to the
// next handler.
type Klines struct {
	// MaxLimit is the largest number of rows per answer, at most 5000. Default: 5000.
	MaxLimit int `json:"max_limit,omitempty"`
	// Rate bounds the requests of a user, or of an address (IPv6: of a /64 network) where nobody is authenticated. Default: 50 per second, bursts of 100.
	Rate *Rate `json:"rate,omitempty"`
	// AllowOrigins are the origins whose pages may read the answers. Default: none.
	AllowOrigins []string `json:"allow_origins,omitempty"`

	engine  *engine
	limiter *limiter
	logger  *zap.Logger
}

// Rate is a token bucket.
type Rate struct {
	// PerSecond is how many requests are allowed in the long run. Default: 50.
	PerSecond float64 `json:"per_second,omitempty"`
	// Burst is how many may come at once. Default: 100.
	Burst int `json:"burst,omitempty"`
}

// check refuses what cannot be a bucket; 0 is a field that was left out.
func (r *Rate) check() error {
	switch {
	case r == nil:
	case r.PerSecond != 0 && !(r.PerSecond >= minRate && r.PerSecond <= maxRate):
		return fmt.Errorf("checking rate: %v per second is not from %v up to %d", r.PerSecond, minRate, maxRate)
	case r.Burst < 0 || r.Burst > maxRate:
		return fmt.Errorf("checking rate: bursts of %d are not from 1 up to %d", r.Burst, maxRate)
	}
	return nil
}

// limiter gives each field that was left out its default, for every handler alike.
func (r *Rate) limiter(c clock.Clock) *limiter {
	perSecond, burst := float64(defaultRate), defaultBurst
	if r != nil && r.PerSecond != 0 {
		perSecond = r.PerSecond
	}
	if r != nil {
		burst = orInt(r.Burst, defaultBurst)
	}
	return newLimiter(c, perSecond, burst)
}

// CaddyModule returns the Caddy module information.
func (Klines) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.klines", New: func() caddy.Module { return new(Klines) }}
}

// readRate reads `<per second> <burst>`.
func readRate(d *caddyfile.Dispenser, dst **Rate) error {
	var perSecond, burst string
	if !d.AllArgs(&perSecond, &burst) {
		return usage(d, "rate <per second> <burst>")
	}
	r, err := strconv.ParseFloat(perSecond, 64)
	if err != nil || !(r >= minRate) || r > maxRate {
		return d.Errf("parsing rate: %q is not a number of requests per second from %v up to %d", cut(perSecond), minRate, maxRate)
	}
	n, err := parseCount(burst, 1, maxRate)
	if err != nil {
		return d.Errf("parsing rate: %v", err)
	}
	*dst = &Rate{PerSecond: r, Burst: n}
	return nil
}

// Provision finds the engine.
func (k *Klines) Provision(ctx caddy.Context) (err error) {
	k.logger = ctx.Logger()
	if k.engine, err = engineOf(ctx); err != nil {
		return err
	}
	k.limiter = k.Rate.limiter(k.engine.clock)
	return nil
}

// Validate checks bounds.
func (k *Klines) Validate() error {
	if k.MaxLimit < 0 || k.MaxLimit > maxRows {
		return fmt.Errorf("checking max_limit: %d is not in 1 to %d", k.MaxLimit, maxRows)
	}
	if err := k.Rate.check(); err != nil {
		return err
	}
	return origins(k.AllowOrigins).check()
}

// route is one of the JSON routes. exempt routes are not rate-limited: a health
// probe that is told to slow down takes the node out of service.
type route struct {
	name   string
	exempt bool
	answer func(k *Klines, q *request) (*reply, error)
}

// routeOf finds the route by the exact, decoded path. name is the last part of
// /v1/indicators/{name}.
func routeOf(path string) (rt route, name string, ok bool) {
	path, ok = strings.CutPrefix(path, "/v1/")
	if !ok {
		return rt, "", false
	}
	if name, ok := strings.CutPrefix(path, "indicators/"); ok && listedName.MatchString(name) {
		return route{name: "indicator", answer: (*Klines).indicator}, name, true
	}
	for _, rt := range routes() {
		if rt.name == path {
			return rt, "", true
		}
	}
	return rt, "", false
}

func routes() []route {
	return []route{
		{name: "klines", answer: (*Klines).klines},
		{name: "latest", answer: (*Klines).latest},
		{name: "bundle", answer: (*Klines).bundle},
		{name: "values", answer: (*Klines).values},
		{name: "explain", answer: (*Klines).explain},
		{name: "symbols", answer: (*Klines).symbols},
		{name: "indicators", answer: (*Klines).indicators},
		{name: "status", answer: (*Klines).status},
		{name: "health", exempt: true, answer: (*Klines).health},
	}
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (k *Klines) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	rt, name, ok := routeOf(r.URL.Path)
	below := strings.HasPrefix(r.URL.Path, "/v1/") || strings.HasPrefix(matchedPath(r.URL.Path), "/v1/")
	if !below || r.URL.Path == "/v1/stream" {
		return next.ServeHTTP(w, r)
	}
	if origins(k.AllowOrigins).apply(w, r) {
		return nil
	}
	if !ok {
		k.refuse(w, r, "other", unknownRoute(r.URL.Path))
		return nil
	}
	held := k.engine.answers.begin(clientKey(r))
	defer held.release()
	rep, err := k.respond(rt, name, held, w, r)
	if err == nil { // what it really takes, where it was estimated
		err = held.hold(rep.waiting(r))
	}
	p := new(problem)
	if found := new(serve.Problem); errors.As(err, &found) {
		err = fromServe(found)
	}
	switch {
	case err == nil:
		k.count(rt.name, rep.write(w, r, k.engine.clock))
	case errors.As(err, &p):
		k.refuse(w, r, rt.name, p)
	case r.Context().Err() != nil:
		k.count(rt.name, 499) // the client is gone: nobody to tell
	default:
		k.logger.Error("answering a request", zap.String("route", rt.name), zap.String("id", requestID(r)), zap.Error(err))
		k.refuse(w, r, rt.name, internalError())
	}
	return nil
}

// respond parses, counts and asks the hub.
func (k *Klines) respond(rt route, name string, held *share, w http.ResponseWriter, r *http.Request) (*reply, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, methodNotAllowed(r.Method, http.MethodGet, http.MethodHead)
	}
	if !rt.exempt {
		if ok, wait := k.limiter.allow(clientKey(r)); !ok {
			k.limitHeaders(w.Header(), wait)
			return nil, rateLimited(int(math.Ceil(wait.Seconds())))
		}
	}
	query, p := queryOf(r, klinesQuery)
	if p != nil {
		return nil, p
	}
	return rt.answer(k, &request{r: r, query: query, name: name, match: r.Header.Get("If-None-Match"), held: held})
}

// limitHeaders tells a client the policy that it ran into.
func (k *Klines) limitHeaders(h http.Header, wait time.Duration) {
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	h.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, k.limiter.burst, k.limiter.window()))
	h.Set("RateLimit", fmt.Sprintf(`"default";r=0;t=%d`, seconds))
}

func (k *Klines) refuse(w http.ResponseWriter, r *http.Request, route string, p *problem) {
	p.write(w, r)
	k.count(route, p.status)
}

// count adds to the requests of a route. Both labels are closed sets.
func (k *Klines) count(route string, code int) {
	k.engine.metrics.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
}
