package caddymodule

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// largeQuery asks for more than largeAnswer of what largeBars holds.
const (
	largeQuery = "/v1/klines?sym=BTCUSD&itv=1m&limit=1000"
	largeBars  = 1000
)

// pipeListener hands out one connection that has no buffers.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// servePipe serves k on a connection and returns the client's end.
func servePipe(t *testing.T, k caddyhttp.MiddlewareHandler) (client net.Conn, end func()) {
	t.Helper()
	client, server := net.Pipe()
	ln := &pipeListener{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	ln.conns <- server
	srv := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := k.ServeHTTP(w, prepare(r, w), nil); err != nil {
			t.Error(err)
		}
	})}
	ended := make(chan struct{})
	go func() { // the test's own server
		defer close(ended)
		_ = srv.Serve(ln)
	}()
	return client, func() {
		_ = client.Close()
		_ = srv.Close()
		<-ended
	}
}

func (a *answers) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}

func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), largeBars)
		client, end := servePipe(t, testKlines(e))
		defer end()
		_, _ = io.WriteString(client, "GET "+largeQuery+" HTTP/1.1\r\nHost: a\r\n\r\n")
		synctest.Wait()
		if n := e.answers.waiting(); n < largeAnswer {
			t.Fatalf("%d bytes wait: the answer is not a large one", n)
		}
		time.Sleep(answerTime + time.Second)
		synctest.Wait()
		if n := e.answers.waiting(); n != 0 {
			t.Fatalf("%d bytes wait for a client that has not read for %v", n, answerTime)
		}
		if _, err := io.Copy(io.Discard, client); err != nil {
			t.Errorf("the connection was not closed: %v", err)
		}
	})
}

func TestASlowReaderGetsAllAndKeepsItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), largeBars)
		client, end := servePipe(t, testKlines(e))
		defer end()
		for range 2 {
			_, _ = io.WriteString(client, "GET "+largeQuery+" HTTP/1.1\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReaderSize(client, 4096), nil)
			if err != nil {
				t.Fatal(err)
			}
			var body strings.Builder
			for err = error(nil); err == nil; time.Sleep(answerTime / 4) {
				_, err = io.CopyN(&body, res.Body, largeAnswer/2)
			}
			_ = res.Body.Close()
			if !errors.Is(err, io.EOF) || int64(body.Len()) != res.ContentLength || body.Len() < largeAnswer {
				t.Fatalf("%d of %d bytes: %v", body.Len(), res.ContentLength, err)
			}
			time.Sleep(10 * answerTime) // no deadline of the first is left for the second
		}
	})
}

func TestTheBytesOfLargeAnswersAreBounded(t *testing.T) {
	e, _ := startedEngine(t, clock.Real(), largeBars)
	k := testKlines(e)
	try := func(target string, want int) {
		t.Helper()
		w, _ := ask(t, k, "GET", target)
		if w.Code != want {
			t.Fatalf("%s: %d %.200s, want %d", target, w.Code, w.Body, want)
		}
		if want == 503 && (w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), problemPrefix+"busy\"")) {
			t.Errorf("the refusal is %v %s", w.Header(), w.Body)
		}
	}
	for client, n := range map[string]int{"uann": maxAnswers, "i192.0.2.1": clientAnswers} {
		waits := e.answers.begin(client)
		if err := waits.hold(n); err != nil {
			t.Fatal(err)
		}
		try(largeQuery, 503)
		try("/v1/bundle?s=BTCUSD@1m&limit=1000", 503)
		try("/v1/klines?sym=BTCUSD&itv=1m&limit=10", 200)
		// Its body is built as well, and thrown away.
		if w, _ := ask(t, k, "HEAD", largeQuery); w.Code != 503 {
			t.Errorf("HEAD: %d", w.Code)
		}
		waits.release()
		try(largeQuery, 200)
		if w, _ := ask(t, k, "HEAD", largeQuery); w.Code != 200 {
			t.Errorf("HEAD: %d", w.Code)
		}
	}
	other := e.answers.begin("uann")
	if err := other.hold(clientAnswers); err != nil {
		t.Fatal(err)
	}
	try(largeQuery, 200)
	other.release()
	if e.answers.waiting() != 0 || len(e.answers.clients) != 0 {
		t.Errorf("%+v is still counted", e.answers)
	}
}

// An answer is counted with an estimate first.
func TestAnAnswerIsCountedWithWhatIsKnownOfItLast(t *testing.T) {
	a := newAnswers()
	first, second, other := a.begin("ann"), a.begin("ann"), a.begin("bob")
	for _, step := range []struct {
		share *share
		n     int
		want  bool
		total int
	}{
		{first, 2 * clientAnswers, true, 2 * clientAnswers}, // nothing else is counted
		{second, largeAnswer, false, 2 * clientAnswers},
		{first, clientAnswers / 2, true, clientAnswers / 2},
		{second, clientAnswers / 2, true, clientAnswers},
		{second, clientAnswers/2 + 1, false, clientAnswers},
		{other, maxAnswers, false, clientAnswers},
		{other, clientAnswers, true, 2 * clientAnswers},
		{first, largeAnswer - 1, true, clientAnswers + clientAnswers/2}, // a small one
		{second, clientAnswers, true, 2 * clientAnswers},
	} {
		if err := step.share.hold(step.n); (err == nil) != step.want || a.waiting() != step.total {
			t.Fatalf("%+v: %v, %d bytes are counted", step, err, a.waiting())
		}
	}
	for _, s := range []*share{first, second, other} {
		s.release()
	}
	if a.waiting() != 0 || len(a.clients) != 0 {
		t.Errorf("%+v is still counted", a)
	}
}

// deadlineRecorder notes write deadlines, relative to when it was made.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	began time.Time
	set   []time.Duration // -1: none
}

func (w *deadlineRecorder) SetWriteDeadline(t time.Time) error {
	d := time.Duration(-1)
	if !t.IsZero() {
		d = t.Sub(w.began)
	}
	w.set = append(w.set, d)
	return nil
}

// On HTTP/2 a deadline that is left resets the stream. The server's own stays.
func TestDeadlinesOfAnAnswerOnHTTP2(t *testing.T) {
	for timeout, want := range map[time.Duration][2]time.Duration{0: {answerTime, -1}, time.Second: {time.Second, time.Second}, time.Minute: {answerTime, time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			r.ProtoMajor = 2
			r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, &caddyhttp.Server{WriteTimeout: caddy.Duration(timeout)})
			writeBody(w, r, clock.Real(), make([]byte, largeAnswer+1))
			if len(w.set) != 3 || w.set[0] != want[0] || w.set[1] != want[0] || w.set[2] != want[1] || w.Body.Len() != largeAnswer+1 || !w.Flushed {
				t.Errorf("write timeout %v: deadlines %v, %d bytes", timeout, w.set, w.Body.Len())
			}
		})
	}
}
