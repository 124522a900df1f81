package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// Limits and defaults of kline_stream.
const (
	streamQuery            = 8 << 10
	maxStreamsLimit        = 1_000_000
	defaultHeartbeat       = 15 * time.Second
	defaultMaxDuration     = 10 * time.Minute
	defaultDispatchTimeout = 10 * time.Second
	// With less a unit is missing, or clients come back without end.
	minHeartbeat          = 100 * time.Millisecond
	minDuration           = time.Second
	minDispatch           = 10 * time.Millisecond
	defaultMaxStreams     = 10_000
	defaultStreamsPerUser = 20
	defaultStreamsPerIP   = 200
	defaultBuffer         = serve.DefaultBuffer
	defaultReplay         = serve.DefaultReplay
)

// Stream answers GET /v1/stream with server-sent events: a snapshot of the
// series that were asked for, then every change. A client that comes back with
// its last event id gets what it missed.
type Stream struct {
	// Heartbeat is the longest silence on a stream. Default: 15s.
	Heartbeat *caddy.Duration `json:"heartbeat,omitempty"`
	// MaxDuration is when a stream is ended at the latest, so that its client comes back with fresh credentials. Default: 10m.
	MaxDuration *caddy.Duration `json:"max_duration,omitempty"`
	// DispatchTimeout is how long one write may take. Default: 10s.
	DispatchTimeout *caddy.Duration `json:"dispatch_timeout,omitempty"`
	// Buffer is how many frames, and KiB, may wait for a slow client before it is cut, 16 to 65536; it comes back and resumes. Default: 256.
	Buffer int `json:"buffer,omitempty"`
	// Replay is how many frames, and KiB above 1 MiB, a client that comes back is sent at most, 1 to 100000; beyond it starts from a snapshot. Default: 1000.
	Replay int `json:"replay,omitempty"`
	// MaxStreams bounds the streams of this process. Default: 10000.
	MaxStreams int `json:"max_streams,omitempty"`
	// MaxStreamsPerUser bounds the streams of an authenticated user. Default: 20.
	MaxStreamsPerUser int `json:"max_streams_per_user,omitempty"`
	// MaxStreamsPerIP bounds the streams of an address, of IPv6 those of a /64 network. Default: 200.
	MaxStreamsPerIP int `json:"max_streams_per_ip,omitempty"`
	// AllowOrigins are the origins whose pages may read the stream. Default: none.
	AllowOrigins []string `json:"allow_origins,omitempty"`

	engine  *engine
	options streamOptions
	opens   *limiter
	counted bool // in engine.streams
}

// streamOptions are copied into each stream: streams outlive reloads, and a
// pointer into the handler would keep a whole old config in memory.
type streamOptions struct {
	heartbeat, maxDuration, dispatch time.Duration
	buffer, replay                   int
	process                          int
	limits                           streamLimits
}

// CaddyModule returns the Caddy module information.
func (Stream) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.kline_stream", New: func() caddy.Module { return new(Stream) }}
}

// Provision finds the engine and sets defaults.
func (s *Stream) Provision(ctx caddy.Context) (err error) {
	if s.engine, err = engineOf(ctx); err != nil {
		return err
	}
	rememberSockets(ctx)
	s.options = streamOptions{
		heartbeat:   orDuration(s.Heartbeat, defaultHeartbeat),
		maxDuration: orDuration(s.MaxDuration, defaultMaxDuration),
		dispatch:    orDuration(s.DispatchTimeout, defaultDispatchTimeout),
		buffer:      orInt(s.Buffer, defaultBuffer),
		replay:      orInt(s.Replay, defaultReplay),
		process:     orInt(s.MaxStreams, defaultMaxStreams),
		limits: streamLimits{
			user: orInt(s.MaxStreamsPerUser, defaultStreamsPerUser),
			ip:   orInt(s.MaxStreamsPerIP, defaultStreamsPerIP),
		},
	}
	s.opens = newOpens(s.engine.clock, s.options.limits)
	warnShortStreams(ctx, ctx.Logger(), s.options.dispatch)
	s.count()
	return nil
}

// opensIn is in how many seconds a client may open anew as many streams as it may
// have.
const opensIn = 4

// newOpens bounds how often a user or address opens a stream: as many at once as an
// address may have, so that all of them can come back together. What a stream begins
// with costs a thousand times the request, and without a bound a client that hangs up
// and comes back has both cores.
func newOpens(c clock.Clock, lim streamLimits) *limiter {
	burst := max(defaultBurst, lim.ip, lim.user)
	return newLimiter(c, float64(burst)/opensIn, burst)
}

// count makes the status say the heartbeat, until Cleanup.
func (s *Stream) count() {
	s.engine.streams.handled(s.options.heartbeat)
	s.counted = true
}

// Cleanup implements caddy.CleanerUpper.
func (s *Stream) Cleanup() error {
	if s.counted {
		s.engine.streams.unhandled(s.options.heartbeat)
		s.counted = false
	}
	return nil
}

// shortStream is how long a stream has to live to be worth its snapshot.
const shortStream = time.Minute

// warnShortStreams names the word that makes clients come back again and again:
// from the streams alone nobody could tell.
func warnShortStreams(ctx context.Context, log *zap.Logger, dispatch time.Duration) {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || srv.WriteTimeout <= 0 {
		return
	}
	if d := streamTime(time.Duration(srv.WriteTimeout), dispatch); d < shortStream {
		log.Warn("streams are ended before the server's write timeout and clients come back: remove `write` from `timeouts`, write_idle bounds slow clients without it",
			zap.Duration("write_timeout", time.Duration(srv.WriteTimeout)), zap.Duration("stream", d))
	}
}

// Validate checks bounds.
func (s *Stream) Validate() error {
	for _, d := range []struct {
		name string
		is   *caddy.Duration
		low  time.Duration
	}{
		{"heartbeat", s.Heartbeat, minHeartbeat}, {"max_duration", s.MaxDuration, minDuration}, {"dispatch_timeout", s.DispatchTimeout, minDispatch},
	} {
		if d.is != nil && time.Duration(*d.is) < d.low {
			return fmt.Errorf("checking %s: %s is too short (allowed: %s or more)", d.name, time.Duration(*d.is), d.low)
		}
	}
	for name, n := range map[string]int{
		"max_streams": s.MaxStreams, "max_streams_per_user": s.MaxStreamsPerUser, "max_streams_per_ip": s.MaxStreamsPerIP,
	} {
		if n < 0 || n > maxStreamsLimit {
			return fmt.Errorf("checking %s: %d is not in 1 to %d", name, n, maxStreamsLimit)
		}
	}
	switch {
	case s.Buffer != 0 && (s.Buffer < serve.MinBuffer || s.Buffer > serve.MaxBuffer):
		return fmt.Errorf("checking buffer: %d is not in %d to %d", s.Buffer, serve.MinBuffer, serve.MaxBuffer)
	case s.Replay < 0 || s.Replay > serve.MaxReplay:
		return fmt.Errorf("checking replay: %d is not in 1 to %d", s.Replay, serve.MaxReplay)
	}
	return origins(s.AllowOrigins).check()
}

// ServeHTTP implements caddyhttp.MiddlewareHandler. What a retry cannot cure is
// answered with a status: browsers take any other than 200 as final and never
// come back. Everything that may pass is said inside the stream. Other routes
// below /v1 are the next handler's: in a site without matchers this one comes
// before klines.
func (s *Stream) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if strings.HasPrefix(r.URL.Path, "/v1/") && r.URL.Path != "/v1/stream" {
		if matchedPath(r.URL.Path) == "/v1/stream" {
			unknownRoute(r.URL.Path).write(w, r)
			return nil
		}
		return next.ServeHTTP(w, r)
	}
	if origins(s.AllowOrigins).apply(w, r) {
		return nil
	}
	if ok, _ := s.opens.allow(clientKey(r)); !ok {
		s.engine.metrics.ended.WithLabelValues(endReason(errBusy)).Inc()
		busyStream(w, r)
		return nil
	}
	req, p := s.admit(r)
	if p != nil {
		s.engine.metrics.refused.WithLabelValues(p.code).Inc()
		p.write(w, r)
		return nil
	}
	req.run(w, r)
	return nil
}

// admit parses and counts. Without a problem the stream is counted in until
// run has returned.
func (s *Stream) admit(r *http.Request) (*streamRun, *problem) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, methodNotAllowed(r.Method, http.MethodGet, http.MethodHead)
	}
	query, p := queryOf(r, streamQuery)
	if p != nil {
		return nil, p
	}
	run := &streamRun{engine: s.engine, options: s.options, query: query, lastID: r.Header.Get("Last-Event-ID"), held: s.engine.answers.begin(clientKey(r))}
	if !serve.CheckID(run.lastID) {
		return nil, badEventID(run.lastID)
	}
	if hub := s.engine.hub(); hub != nil {
		opts, p := hub.ParseStream(asking(r.Context(), clientKey(r)), query, run.lastID)
		if p != nil {
			return nil, fromServe(p)
		}
		if p := s.engine.quotas.take(clientKey(r), hub.OnDemandOf(&opts.Selection)); p != nil {
			return nil, p
		}
		opts.Selection.Client = clientKey(r)
		if p := hub.Enroll(&opts.Selection); p != nil {
			return nil, fromServe(p)
		}
		run.sub = &opts
	}
	if r.Method == http.MethodHead {
		return run, nil
	}
	leave, full := s.engine.streams.enter(userID(r), limitedAddress(r), s.options.limits)
	if full != "" {
		return nil, tooManyStreams("this " + full + " has as many streams as are allowed")
	}
	run.leave = leave
	return run, nil
}

func orDuration(d *caddy.Duration, def time.Duration) time.Duration {
	if d == nil {
		return def
	}
	return time.Duration(*d)
}

func orInt(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}
