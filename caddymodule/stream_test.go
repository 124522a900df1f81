package caddymodule

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

func testStream(e *engine) *Stream {
	limits := streamLimits{user: 20, ip: 200}
	return &Stream{engine: e, opens: newOpens(e.clock, limits), options: streamOptions{
		heartbeat: 15 * time.Second, maxDuration: 10 * time.Minute, dispatch: 10 * time.Second,
		process: 100, limits: limits,
	}}
}

// wire is a ResponseWriter that notes the order of what a handler does.
type wireRecorder struct {
	mu     sync.Mutex // protects all below
	header http.Header
	calls  []string // "status", "write", "flush", "deadline", "clear"
	body   strings.Builder
}

func newWire() *wireRecorder { return &wireRecorder{header: make(http.Header)} }

func (w *wireRecorder) note(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

func (w *wireRecorder) Header() http.Header { return w.header }
func (w *wireRecorder) WriteHeader(int)     { w.note("status") }
func (w *wireRecorder) FlushError() error   { w.note("flush"); return nil }

func (w *wireRecorder) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		w.note("clear")
		return nil
	}
	w.note("deadline")
	return nil
}

func (w *wireRecorder) Write(b []byte) (int, error) {
	w.note("write")
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.Write(b)
}

func (w *wireRecorder) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.String()
}

// open runs a stream in a goroutine of the test until its context ends.
func open(t *testing.T, s *Stream, target string, proto int) (w *wireRecorder, cancel func(), done chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w = newWire()
	r := httptest.NewRequestWithContext(ctx, "GET", target, nil)
	r.ProtoMajor = proto
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
	done = make(chan struct{})
	go func() { // the goroutine that net/http would be
		defer close(done)
		if err := s.ServeHTTP(w, r, nil); err != nil {
			t.Errorf("the stream returned %v: an error page would be written into it", err)
		}
	}()
	return w, cancel, done
}

func TestStreamHeaderComesBeforeAnythingIsLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), 0) // not loaded: nothing can be looked up
		w, cancel, done := open(t, testStream(e), "/v1/stream?s=BTCUSD@1m", 1)
		synctest.Wait()
		if want := []string{"status", "deadline", "write", "flush"}; !slices.Equal(w.calls, want) {
			t.Errorf("calls %v, want %v", w.calls, want)
		}
		if !strings.HasPrefix(w.text(), "retry: ") {
			t.Errorf("first bytes %q", w.text())
		}
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
			"Incremental": "?1", "Content-Encoding": "identity", "X-Content-Type-Options": "nosniff",
		} {
			if got := w.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		cancel()
		<-done
	})
}

func TestStreamWaitsForTheViewAndBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, f := startedEngine(t, clock.Real(), 0)
		w, cancel, done := open(t, testStream(e), "/v1/stream?s=BTCUSD@1m", 1)
		time.Sleep(31 * time.Second)
		if n := strings.Count(w.text(), "event: pos"); n != 2 {
			t.Errorf("%d heartbeats in 31 s before the view was loaded, want 2", n)
		}
		f.hub.Apply(0, []serve.Record{bar(0)})
		f.hub.Loaded()
		synctest.Wait()
		if !strings.Contains(w.text(), "event: snapshot") {
			t.Error("no snapshot after the view was loaded")
		}
		f.hub.Apply(0, []serve.Record{bar(1)})
		synctest.Wait()
		if !strings.Contains(w.text(), `"final":true`) || !strings.Contains(w.text(), "event: kline") {
			t.Errorf("the closed bar did not arrive: %q", w.text())
		}
		cancel()
		<-done
		if e.streams.count() != 0 {
			t.Error("the stream is still counted after its client left")
		}
	})
}

func TestStreamRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), 2)
		began := time.Now()
		w, cancel, done := open(t, testStream(e), "/v1/stream?s=BTCUSD@1m", 1)
		defer cancel()
		<-done
		if d := time.Since(began); d < 8*time.Minute || d > 10*time.Minute {
			t.Errorf("the stream ended after %v, want 80 to 100 %% of 10m", d)
		}
		if !strings.HasSuffix(w.text(), "\n\n") || !strings.Contains(w.text(), `"reason":"rotate"`) {
			t.Errorf("the end is %q", w.text()[max(0, len(w.text())-200):])
		}
	})
}

func TestStreamSaysByeBeforeTheServerCutsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), 2)
		w := newWire()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/stream?s=BTCUSD@1m", nil)
		srv := &caddyhttp.Server{WriteTimeout: caddy.Duration(30 * time.Second)}
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, srv)
		began := time.Now()
		if err := testStream(e).ServeHTTP(w, r, nil); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != 20*time.Second {
			t.Errorf("ended after %v, want one dispatch_timeout before the server's 30s", d)
		}
		if !strings.Contains(w.text(), "event: bye") {
			t.Error("no bye")
		}
	})
}

// A write timeout up to dispatch_timeout leaves no time for both: a stream that
// ended before its first event would have its client come back for ever.
func TestStreamsBelowAShortWriteTimeoutBringTheirSnapshot(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 10 * time.Second, 15 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			e, _ := startedEngine(t, clock.Real(), 2)
			w := newWire()
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/stream?s=BTCUSD@1m", nil)
			srv := &caddyhttp.Server{WriteTimeout: caddy.Duration(timeout)}
			r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, srv)
			began := time.Now()
			if err := testStream(e).ServeHTTP(w, r, nil); err != nil {
				t.Error(err)
			}
			if d := time.Since(began); d != timeout/2 { // in virtual time
				t.Errorf("write timeout %v: ended after %v", timeout, d)
			}
			if !strings.Contains(w.text(), "event: snapshot") || !strings.Contains(w.text(), "event: bye") {
				t.Errorf("write timeout %v: %q", timeout, w.text())
			}
		})
	}
}

func TestAShortWriteTimeoutIsLogged(t *testing.T) {
	for timeout, want := range map[time.Duration]int{0: 0, 10 * time.Second: 1, time.Minute: 1, 70 * time.Second: 0} {
		core, logs := observer.New(zap.WarnLevel)
		ctx := context.WithValue(t.Context(), caddyhttp.ServerCtxKey, &caddyhttp.Server{WriteTimeout: caddy.Duration(timeout)})
		warnShortStreams(ctx, zap.New(core), defaultDispatchTimeout)
		if logs.Len() != want {
			t.Errorf("write timeout %v: %d warnings, want %d", timeout, logs.Len(), want)
		}
	}
}

// Also one that waits for its engine.
func TestAWaitingStreamSaysByeBeforeTheServerCutsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		useFakePool(t, clock.Real())
		a := mustProvision(t, embeddedConfig)
		w := newWire()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // the server
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/v1/stream?s=BTCUSD@1m", nil)
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, &caddyhttp.Server{WriteTimeout: caddy.Duration(30 * time.Second)})
		if err := testStream(a.engine).ServeHTTP(w, r, nil); err != nil {
			t.Error(err)
		}
		if !strings.HasSuffix(w.text(), frameRotate) {
			t.Errorf("the end is %q", w.text())
		}
		cleanup(t, a)
	})
}

func TestDrainEndsEveryStreamInsideTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), 2)
		s := testStream(e)
		var ends []chan struct{}
		var wires []*wireRecorder
		for range 20 {
			w, cancel, done := open(t, s, "/v1/stream?s=BTCUSD@1m", 1)
			defer cancel()
			ends, wires = append(ends, done), append(wires, w)
		}
		synctest.Wait()
		began := time.Now()
		e.drain()
		e.streams.awaitEmpty()
		if d := time.Since(began); d > defaultDrain {
			t.Errorf("the last stream ended after %v", d)
		}
		for i, done := range ends {
			<-done
			if !strings.Contains(wires[i].text(), `"reason":"drain"`) {
				t.Errorf("stream %d ended without a word", i)
			}
		}
	})
}

func TestStreamBeforeTheEngineWasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		useFakePool(t, clock.Real())
		a := mustProvision(t, embeddedConfig)
		w, cancel, done := open(t, testStream(a.engine), "/v1/stream?s=BTCUSD@1m", 1)
		time.Sleep(16 * time.Second)
		if got := w.text(); got != frameRetry+framePos {
			t.Errorf("before the start: %q", got)
		}
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
		(*a.engine.core.Load()).Hub().Loaded()
		synctest.Wait()
		if !strings.Contains(w.text(), "event: snapshot") {
			t.Errorf("after the start: %q", w.text())
		}
		cancel()
		<-done
		cleanup(t, a)
	})
}

func TestStreamBeyondTheProcessLimitIsBusy(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	s := testStream(e)
	s.options.process = 1
	leave, _ := e.streams.enter("", "other", streamLimits{})
	defer leave()
	w, _ := ask(t, s, "GET", "/v1/stream?s=BTCUSD@1m")
	if w.Code != 200 || w.Body.String() != frameBusy {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestStreamRefusesOnlyWhatARetryCannotCure(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	s := testStream(e)
	for _, tc := range []struct {
		name, method, target, lastID string
		status                       int
		code                         string
	}{
		{"selection", "GET", "/v1/stream?s=BTCUSD", "", 400, "bad-selection"},
		{"no selection", "GET", "/v1/stream", "", 400, "bad-selection"},
		{"interval", "GET", "/v1/stream?s=BTCUSD@5m", "", 400, "unknown-interval"},
		{"parameter", "GET", "/v1/stream?s=BTCUSD@1m&x=1", "", 400, "bad-parameter"},
		{"id of 1025 bytes", "GET", "/v1/stream?s=BTCUSD@1m", strings.Repeat("a", 1025), 400, "bad-parameter"},
		{"id outside the alphabet", "GET", "/v1/stream?s=BTCUSD@1m", "a b", 400, "bad-parameter"},
		{"long query", "GET", "/v1/stream?s=" + strings.Repeat("A", streamQuery), "", 400, "query-too-long"},
		{"method", "POST", "/v1/stream?s=BTCUSD@1m", "", 405, "method-not-allowed"},
	} {
		w, _ := ask(t, s, tc.method, tc.target, "Last-Event-ID", tc.lastID)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), problemPrefix+tc.code+`"`) {
			t.Errorf("%s: %d %s", tc.name, w.Code, w.Body)
		}
	}
	s.options.limits.ip = 1
	leave, _ := e.streams.enter("", "192.0.2.1", streamLimits{})
	defer leave()
	w, _ := ask(t, s, "GET", "/v1/stream?s=BTCUSD@1m")
	if w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("second stream of an address: %d %v", w.Code, w.Header())
	}
}

func TestForeignEventIDIsAResetAndNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), 2)
		for _, id := range []string{"v1.other.5", "nonsense", "v1.test.zzzzzz"} {
			w, cancel, done := open(t, testStream(e), "/v1/stream?s=BTCUSD@1m&last_event_id="+id, 1)
			time.Sleep(3 * time.Second) // a position of this log gets a while to come
			if !strings.Contains(w.text(), "event: reset") || !strings.Contains(w.text(), "event: snapshot") {
				t.Errorf("id %q: %q", id, w.text())
			}
			cancel()
			<-done
		}
	})
}

func TestHeaderWinsOverTheParameter(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 2)
	r := prepare(httptest.NewRequestWithContext(t.Context(), "GET", "/v1/stream?s=BTCUSD@1m&last_event_id=v1.test.0", nil), httptest.NewRecorder())
	r.Header.Set("Last-Event-ID", "v1.test.1")
	run, p := testStream(e).admit(r)
	if p != nil || run.sub.LastEventID != "v1.test.1" {
		t.Errorf("resumes from %+v (problem %v)", run, p)
	}
	run.leave()
}

func TestHTTP2DeadlineIsClearedBehindEachWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, f := startedEngine(t, clock.Real(), 1)
		w, cancel, done := open(t, testStream(e), "/v1/stream?s=BTCUSD@1m", 2)
		synctest.Wait()
		f.hub.Apply(0, []serve.Record{bar(1)})
		synctest.Wait()
		w.mu.Lock()
		for i, c := range w.calls {
			if c == "flush" && (i+1 == len(w.calls) || w.calls[i+1] != "clear") {
				t.Errorf("a deadline is left armed: %v", w.calls)
				break
			}
		}
		w.mu.Unlock()
		cancel()
		<-done
	})
}

func TestHTTP1DeadlineIsNotSetForEveryEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, f := startedEngine(t, clock.Real(), 1)
		w, cancel, done := open(t, testStream(e), "/v1/stream?s=BTCUSD@1m", 1)
		synctest.Wait()
		for n := int64(1); n <= 10; n++ {
			f.hub.Apply(0, []serve.Record{bar(n)})
			synctest.Wait()
		}
		time.Sleep(5 * time.Second)
		f.hub.Apply(0, []serve.Record{bar(11)})
		synctest.Wait()
		w.mu.Lock()
		n := 0
		for _, c := range w.calls {
			if c == "deadline" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d deadlines for a burst and an event 5 s later, want 2: %v", n, w.calls)
		}
		w.mu.Unlock()
		cancel()
		<-done
	})
}

// The hub has a limit of its own for callers that name none; it must not stand
// in the way of a larger one.
func TestMaxStreamsAboveTheDefaultTakesEffect(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	for range serve.DefaultMaxStreams {
		opts, p := e.hub().ParseStream(t.Context(), map[string][]string{"s": {"BTCUSD@1m"}}, "")
		if p != nil {
			t.Fatal(p)
		}
		sub, err := e.hub().Subscribe(opts)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
	}
	for process, busy := range map[int]bool{serve.DefaultMaxStreams: true, 2 * serve.DefaultMaxStreams: false} {
		s := testStream(e)
		s.options.process = process
		s.options.maxDuration = time.Millisecond // long enough for a snapshot
		w, _ := ask(t, s, "GET", "/v1/stream?s=BTCUSD@1m")
		if got := strings.Contains(w.Body.String(), `"busy"`); got != busy {
			t.Errorf("max_streams %d with %d open: %q", process, serve.DefaultMaxStreams, w.Body)
		}
	}
}

// A page that takes 15 s for the longest silence calls a stream with a longer
// heartbeat stale.
func TestStatusSaysTheLongestSilenceOfAStream(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), 1)
	says := func(want int64) {
		t.Helper()
		if got := e.statusBody().Heartbeat; got != want {
			t.Errorf("the status says %d ms, want %d", got, want)
		}
	}
	says(0)
	usual, slow := testStream(e), testStream(e)
	slow.options.heartbeat = time.Minute
	for _, s := range []*Stream{usual, slow} {
		s.count()
	}
	says(60_000)
	for range 2 { // Caddy may clean up more than once
		if err := slow.Cleanup(); err != nil {
			t.Fatal(err)
		}
		says(15_000)
	}
	if err := usual.Cleanup(); err != nil {
		t.Fatal(err)
	}
	says(0)
}

// Of the JSON form: in a Caddyfile the line is named first.
func TestTimesOfStreamsHaveALowerBound(t *testing.T) {
	short, enough := caddy.Duration(time.Millisecond), caddy.Duration(time.Second)
	if err := (&Stream{Heartbeat: &enough, MaxDuration: &enough, DispatchTimeout: &enough}).Validate(); err != nil {
		t.Error(err)
	}
	for name, s := range map[string]*Stream{"heartbeat": {Heartbeat: &short}, "max_duration": {MaxDuration: &short}, "dispatch_timeout": {DispatchTimeout: &short}} {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "checking "+name+": 1ms is too short (allowed: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
