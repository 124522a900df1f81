package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline/failpoint"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// What a stream says before there is a hub to say it. These are constants: all
// other frames come from the one framer of package serve.
const (
	frameRetry  = "retry: 2000\n\n"
	framePos    = "event: pos\ndata: {}\n\n"
	frameBusy   = "retry: 30000\n\nevent: bye\ndata: {\"reason\":\"busy\",\"retry\":30000}\n\n"
	frameDrain  = "retry: 5000\n\nevent: bye\ndata: {\"reason\":\"drain\",\"retry\":5000}\n\n"
	frameRotate = "event: bye\ndata: {\"reason\":\"rotate\",\"retry\":1000}\n\n"
)

// errEnded ends a stream that has said bye.
var errEnded = errors.New("stream ended")

// streamRun is one stream from its admission to its end. The goroutine of the
// request is the only one that writes.
type streamRun struct {
	engine  *engine
	options streamOptions
	query   url.Values
	lastID  string
	sub     *serve.SubOptions // nil while the engine has not been started
	held    *share            // of the bytes of large answers: what the stream begins with
	leave   func()            // nil for HEAD

	w     http.ResponseWriter
	rc    *http.ResponseController
	http2 bool
	armed time.Time // when the write deadline was last set
	until time.Time // end by a hard write timeout of the server, zero = none
}

// run writes the stream. Errors end it without a word to the error routes: the
// status is out, and an error page would be written into the stream.
func (s *streamRun) run(w http.ResponseWriter, r *http.Request) {
	s.w, s.rc, s.http2 = w, http.NewResponseController(w), r.ProtoMajor == 2
	streamHeader(w.Header())
	// WriteHeader comes before the first flush: under encode a bare Flush is
	// dropped until the status is known, and the client would wait for its
	// first heartbeat to see the header.
	w.WriteHeader(http.StatusOK)
	if s.leave == nil {
		return // HEAD
	}
	defer s.leave()
	m := s.engine.metrics
	m.streams.Inc()
	defer m.streams.Dec()
	s.deadlines(r)
	defer boundSocket(r, s.options.dispatch)()
	// A minimum rate that the operator set for bodies would cut a quiet stream.
	if _, iw := caddyhttp.IdleTimeoutsFromContext(r.Context()); iw != nil {
		defer iw.Override(s.options.dispatch, 0, 0)()
	}
	m.ended.WithLabelValues(endReason(s.write(r.Context()))).Inc()
}

// busyStream tells a client to stay away for a while.
func busyStream(w http.ResponseWriter, r *http.Request) {
	streamHeader(w.Header())
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, frameBusy) // the client is gone: nobody to tell
	}
}

// streamHeader sets what keeps proxies and encoders from holding events back.
// The identity encoding makes a surrounding encode stand back: it would
// compress each event once per client.
func streamHeader(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Incremental", "?1")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Encoding", "identity")
}

// deadlines finds out when the server itself will cut the connection, so that
// the stream can say bye before.
func (s *streamRun) deadlines(r *http.Request) {
	if srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && srv.WriteTimeout > 0 {
		s.until = s.engine.clock.Now().Add(streamTime(time.Duration(srv.WriteTimeout), s.options.dispatch))
	}
}

// streamTime is how long a stream lives below the server's write timeout. That
// timeout binds the whole of a request: on HTTP/2 it is a timer that resets the
// stream, and on all protocols Caddy caps the deadline of each write by it. So
// bye comes one dispatch timeout before. Of a timeout that is not much longer
// than that half is left: without it a stream would end before its first event,
// and its client come back for ever.
func streamTime(writeTimeout, dispatch time.Duration) time.Duration {
	return max(writeTimeout-dispatch, writeTimeout/2)
}

// write is the loop of the stream.
func (s *streamRun) write(ctx context.Context) error {
	if engines.openStreams() > s.options.process {
		return errors.Join(s.send([]byte(frameBusy)), errBusy)
	}
	if s.sub == nil {
		if err := s.awaitEngine(ctx); err != nil {
			return err
		}
	}
	opts := *s.sub
	opts.Heartbeat, opts.MaxDuration, opts.Deadline = s.options.heartbeat, s.options.maxDuration, s.until
	opts.Buffer, opts.Replay, opts.MaxStreams = s.options.buffer, s.options.replay, s.options.process
	sub, err := s.engine.hub().Subscribe(opts)
	if err != nil {
		return errors.Join(s.send([]byte(frameRotate)), err)
	}
	defer sub.Close()
	for {
		b, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if err := s.sendCounted(b, sub.Began()); err != nil {
			return err
		}
	}
}

// sendCounted sends, and counts what a stream begins with until the client has
// taken it: that may be a megabyte, which thousands of streams that nobody reads
// would keep. Later events wait in bounds of their own.
func (s *streamRun) sendCounted(b []byte, begins bool) error {
	if !begins {
		return s.send(b)
	}
	if err := s.held.hold(cap(b)); err != nil {
		return errors.Join(s.send([]byte(frameBusy)), errBusy)
	}
	defer s.held.release()
	return s.send(b)
}

// awaitEngine keeps a stream alive that came before the engine was started:
// apps start in random order, and after a reload with another key the new
// engine waits for the old one to leave.
func (s *streamRun) awaitEngine(ctx context.Context) error {
	if err := s.send([]byte(frameRetry)); err != nil {
		return err
	}
	ticker := s.engine.clock.NewTicker(s.options.heartbeat)
	defer ticker.Stop()
	rotate := s.engine.clock.NewTimer(s.longest())
	defer rotate.Stop()
	for {
		select {
		case <-s.engine.built:
			return s.parseLate(ctx)
		case <-ticker.C():
			if err := s.send([]byte(framePos)); err != nil {
				return err
			}
		case <-s.engine.streams.drained:
			return s.endAfter(ctx, s.engine.streams.closeAfter())
		case <-rotate.C():
			return errors.Join(s.send([]byte(frameRotate)), errEnded)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// longest is how long the stream may last from now on: the server cuts one that
// waits for its engine, too.
func (s *streamRun) longest() time.Duration {
	if s.until.IsZero() {
		return s.options.maxDuration
	}
	return min(s.options.maxDuration, s.until.Sub(s.engine.clock.Now()))
}

// parseLate reads the query now that the series are known. A bad one cannot be
// answered with a status any more; the client comes back at once and is told.
func (s *streamRun) parseLate(ctx context.Context) error {
	hub := s.engine.hub()
	opts, p := hub.ParseStream(asking(ctx, ""), s.query, s.lastID)
	// What is computed on demand is counted where the client is known.
	if p != nil || len(hub.OnDemandOf(&opts.Selection)) > 0 {
		return errors.Join(s.send([]byte(frameRotate)), errEnded)
	}
	s.sub = &opts
	return nil
}

// endAfter says bye at the stream's place in the drain window.
func (s *streamRun) endAfter(ctx context.Context, d time.Duration) error {
	timer := s.engine.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return errors.Join(s.send([]byte(frameDrain)), errEnded)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// deadlineAge is how old a write deadline may be before it is renewed, since
// setting one costs more than the write of an event. A short dispatch timeout
// is renewed sooner, or the write would begin with a deadline that has passed.
func (s *streamRun) deadlineAge() time.Duration { return min(time.Second, s.options.dispatch/4) }

// send writes and flushes under a deadline.
//
// On HTTP/2 a deadline is a timer that resets the stream when it fires, also
// while nothing is being written: it is taken away after each flush. On HTTP/1
// and 3 a stale one harms nobody until the next write.
func (s *streamRun) send(b []byte) error {
	now := s.engine.clock.Now()
	if s.http2 || now.Sub(s.armed) > s.deadlineAge() {
		s.armed = now
		if err := s.rc.SetWriteDeadline(now.Add(s.options.dispatch)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	failpoint.Hit(failpoint.SSEWrite)
	if err := s.rc.Flush(); err != nil {
		return err
	}
	if s.http2 {
		if err := s.rc.SetWriteDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	return nil
}

// errBusy ends a stream beyond the limits of the process.
var errBusy = errors.New("too many streams, or too many bytes of them that wait to be read")

// endReason is the label of the counter of ended streams: a closed set.
func endReason(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errEnded):
		return "bye"
	case errors.Is(err, errBusy):
		return "busy"
	case errors.Is(err, serve.ErrSlow):
		return "slow"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "client"
	}
	return "write"
}
