package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
)

const (
	ingestPath = "/v1/trades"
	// ingestWait is how long an answer waits for the acknowledgements.
	ingestWait = 5 * time.Second
	// ingestRead is how long a body may take.
	ingestRead = 30 * time.Second
	// maxIngestSource is what fits into the name of a source.
	maxIngestSource = 64
)

// Ingest takes trades: `POST /v1/trades`, JSON lines or an array, gzip or not. It
// answers when all in-sync replicas have them. Requests for other paths go to the
// next handler.
//
// It refuses to be configured without an authentication handler in front of it
// for certain, unless identity names another source or allow_unauthenticated
// stands there.
type Ingest struct {
	// Identity is the placeholder that holds the authenticated user, as of kline_indicators. Default: {http.auth.user.id}.
	Identity string `json:"identity,omitempty"`
	// AllowUnauthenticated takes trades from everybody who reaches the route. Default: false.
	AllowUnauthenticated bool `json:"allow_unauthenticated,omitempty"`
	// Rate bounds the requests of a user. Default: 50 per second, bursts of 100.
	Rate *Rate `json:"rate,omitempty"`
	// AllowOrigins are the origins whose pages may send trades. Default: none.
	AllowOrigins []string `json:"allow_origins,omitempty"`

	engine  *engine
	rights  *rights
	limiter *limiter
	cross   *http.CrossOriginProtection
	recent  *recentTrades
	logger  *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Ingest) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.kline_ingest", New: func() caddy.Module { return new(Ingest) }}
}

// parseIngest reads the directive
//
//	kline_ingest [<matcher>] {
//		identity <placeholder>
//		rate <per second> <burst>
//		allow_origin <origin>...
//	}
//
// or, instead of identity, allow_unauthenticated.
func parseIngest(h httpcaddyfile.Helper) (*Ingest, error) {
	i := new(Ingest)
	if err := onlyName(h.Dispenser); err != nil {
		return nil, err
	}
	err := parseBlock(h.Dispenser, "kline_ingest", []word{
		checked(text("identity", &i.Identity), i.Validate),
		checked(toggle("allow_unauthenticated", &i.AllowUnauthenticated), i.Validate),
		{name: "rate", read: func(d *caddyfile.Dispenser) error { return readRate(d, &i.Rate) }},
		{name: "allow_origin", read: readOrigins(&i.AllowOrigins)},
	})
	return i, err
}

// asUploads are the words that mean the same for uploads.
func (i *Ingest) asUploads() *Uploads {
	return &Uploads{Identity: i.Identity, AllowUnauthenticated: i.AllowUnauthenticated}
}

// Provision finds the engine and makes sure that somebody asks who comes.
func (i *Ingest) Provision(ctx caddy.Context) (err error) {
	i.logger = ctx.Logger()
	if err := i.Validate(); err != nil {
		return err
	}
	switch {
	case i.AllowUnauthenticated:
		i.logger.Warn("kline_ingest takes trades from everybody who reaches it: allow_unauthenticated is set")
	case i.Identity == "" && !authenticated(ctx):
		return errors.New("checking kline_ingest: nothing certain authenticates its requests: put basic_auth into the same `handle` in front of it, " +
			"or name what does with `identity <placeholder>`, or write `allow_unauthenticated`")
	}
	if i.engine, err = engineOf(ctx); err != nil {
		return err
	}
	i.prepare()
	for _, o := range i.AllowOrigins {
		if err := i.cross.AddTrustedOrigin(o); err != nil {
			return fmt.Errorf("checking allow_origin: %w", err)
		}
	}
	return nil
}

// prepare makes what the fields say.
func (i *Ingest) prepare() {
	i.rights = i.asUploads().newRights()
	i.limiter = i.Rate.limiter(i.engine.clock)
	i.cross = http.NewCrossOriginProtection()
	i.recent = newRecentTrades()
}

// Validate checks bounds.
func (i *Ingest) Validate() error {
	if err := i.Rate.check(); err != nil {
		return err
	}
	if err := i.asUploads().checkRights(); err != nil {
		return err
	}
	return origins(i.AllowOrigins).check()
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (i *Ingest) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.URL.Path != ingestPath {
		if matchedPath(r.URL.Path) == ingestPath {
			unknownRoute(r.URL.Path).write(w, r)
			return nil
		}
		return next.ServeHTTP(w, r)
	}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if origins(i.AllowOrigins).applyFor(w, r, "POST", "Authorization, Content-Type, Content-Encoding") {
		return nil
	}
	status := http.StatusOK
	result, p := i.take(w, r)
	switch {
	case p != nil:
		status = p.status
		hurry(w, r, i.engine.clock.Now())
		p.write(w, r)
	default:
		result.write(w)
	}
	i.engine.metrics.requests.WithLabelValues("trades", strconv.Itoa(status)).Inc()
	return nil
}

// take reads, judges and writes the trades of one request. Who it is comes
// first: without an identity nothing is told.
func (i *Ingest) take(w http.ResponseWriter, r *http.Request) (*ingestResult, *problem) {
	id, p := i.rights.identity(r)
	if p != nil {
		return nil, p
	}
	if r.Method != http.MethodPost {
		return nil, methodNotAllowed(r.Method, http.MethodPost)
	}
	if ok, wait := i.limiter.allow("u" + id); !ok {
		return nil, rateLimited(int(math.Ceil(wait.Seconds())))
	}
	if err := i.cross.Check(r); err != nil {
		return nil, forbidden("the request comes from a page of another origin")
	}
	held := i.engine.bodies.begin("u" + id)
	defer held.release()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(i.engine.clock.Now().Add(ingestRead)) // of a test's recorder: nothing to bound
	lines, p := readTrades(w, r, held)
	_ = control.SetReadDeadline(time.Time{})
	if p != nil {
		return nil, p
	}
	source := ingestSource(id)
	result, trades := i.judge(source, lines)
	if len(trades) == 0 {
		return result, nil
	}
	return i.send(r, source, result, trades)
}

func (i *Ingest) send(r *http.Request, source string, result *ingestResult, trades []ingestTrade) (*ingestResult, *problem) {
	running := i.engine.core.Load()
	if running == nil {
		return nil, notAcknowledged()
	}
	ctx, cancel := context.WithTimeout(r.Context(), ingestWait)
	defer cancel()
	out := make([]core.Trade, len(trades))
	for n := range trades {
		out[n] = trades[n].trade
	}
	err := (*running).Ingest(ctx, source, traceOf(r), out)
	switch {
	case errors.Is(err, pipeline.ErrNotAcknowledged):
		i.logger.Warn("trades were not acknowledged", zap.String("id", requestID(r)), zap.Error(err))
		return nil, notAcknowledged()
	case err != nil:
		i.logger.Error("writing trades", zap.String("id", requestID(r)), zap.Error(err))
		return nil, internalError()
	}
	// Only now: what is remembered before it is acknowledged could get lost.
	for n := range trades {
		i.recent.add(trades[n].id, trades[n].sum)
	}
	result.Accepted = len(trades)
	return result, nil
}

// ingestSource is the `src` of a user's trades: fixed by who sends them. Names of
// certificates are long and begin alike: of two users that shared a source, the
// trades of one would be late by those of the other. A name that looks as if it
// had been shortened is shortened, too, or it could be chosen to be another's.
func ingestSource(id string) string {
	const prefix, digits = "ingest/", 12
	if s := strings.ToValidUTF8(prefix+id, "\ufffd"); len(s) <= maxIngestSource && !shortenedName.MatchString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(id))
	head := strings.ToValidUTF8(id, "\ufffd")
	head = head[:min(len(head), maxIngestSource-len(prefix)-1-digits)]
	return strings.ToValidUTF8(prefix+head, "") + "~" + hex.EncodeToString(sum[:])[:digits]
}

// shortenedName is the end of a source that ingestSource has shortened.
var shortenedName = regexp.MustCompile(`~[0-9a-f]{12}\z`)

// traceForm is a trace context of version 00 (W3C).
var traceForm = regexp.MustCompile(`\A00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\z`)

// traceOf hands the caller's trace context on, or begins one.
func traceOf(r *http.Request) []byte {
	if t := r.Header.Get("Traceparent"); traceForm.MatchString(t) {
		return []byte(t)
	}
	return feed.NewTrace()
}

// ingestResult is the answer.
type ingestResult struct {
	Accepted  int             `json:"accepted"`
	Duplicate int             `json:"duplicate"`
	Refused   int             `json:"refused"`
	Lines     []ingestRefusal `json:"lines,omitempty"`
}

// ingestRefusal says why a line was refused; lines count from 1.
type ingestRefusal struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
	Field  string `json:"field,omitempty"`
}

func (r *ingestResult) write(w http.ResponseWriter) {
	body, err := json.Marshal(r)
	if err != nil { // numbers and words of closed sets always marshal
		body = []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client is gone: it sends again, and gets duplicates
}

func notAcknowledged() *problem {
	return &problem{
		code: "not-acknowledged", status: http.StatusServiceUnavailable, title: "Not acknowledged", retryAfter: 1,
		detail: "the trades were not acknowledged in time: nobody knows which are written, send the same ids again",
	}
}
