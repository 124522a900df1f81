package caddymodule

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

const (
	// largeAnswer is the size from which on an answer is counted and written in
	// chunks: what is smaller fits into the buffers of most connections.
	largeAnswer = 64 << 10
	// answerTime is how long a chunk may take, as long as one write of a stream.
	answerTime = defaultDispatchTimeout
	// maxAnswers bounds the bytes of large answers that are built or wait for their
	// clients: as much again as view_memory holds by default, some thirty of the largest.
	maxAnswers = 128 << 20
	// clientAnswers is the part of one user or address. Without it some
	// connections of one client that read slowly would take the room of all.
	clientAnswers = maxAnswers / 4
)

// answers counts the bytes of the large answers that this process builds and writes.
// Each of them is in memory until its client has read it.
type answers struct {
	mu      sync.Mutex // protects below
	total   int
	clients map[string]int
}

func newAnswers() *answers { return &answers{clients: make(map[string]int)} }

// begin makes the share of one answer to a client, which is nothing yet.
func (a *answers) begin(client string) *share { return &share{of: a, client: client} }

// share is what one answer counts. It is held from before the answer is built: many
// that are built at once take the memory as well as many that wait to be read.
type share struct {
	of     *answers
	client string
	n      int // guarded by of.mu
}

// hold counts the answer with n bytes from now on, or refuses it if that is more than
// before. Small ones always pass, and so does one that is larger than a bound while
// nothing else is counted: asked again it would be as large.
func (s *share) hold(n int) error {
	if n < largeAnswer {
		n = 0
	}
	a := s.of
	a.mu.Lock()
	defer a.mu.Unlock()
	total, own := a.total-s.n, a.clients[s.client]-s.n
	if n > s.n && (total > 0 && total+n > maxAnswers || own > 0 && own+n > clientAnswers) {
		return answersFull()
	}
	s.n, a.total = n, total+n
	if a.clients[s.client] = own + n; own+n == 0 {
		delete(a.clients, s.client)
	}
	return nil
}

// release counts the answer no longer; to make it smaller is never refused.
func (s *share) release() { _ = s.hold(0) }

func answersFull() *problem {
	return &problem{
		code: "busy", status: http.StatusServiceUnavailable, title: "Busy", retryAfter: 5,
		detail: "too many bytes of large answers wait to be read: read those that are under way, or ask for fewer rows",
	}
}

// writeBody writes a body, a large one in chunks that each have a deadline of
// their own: a client that never reads would hold the body and a goroutine until
// it hangs up, and one deadline for all would cut a slow client that reads. A
// ResponseWriter that knows no deadlines is left as it is.
func writeBody(w http.ResponseWriter, r *http.Request, c clock.Clock, body []byte) {
	if len(body) < largeAnswer {
		_, _ = w.Write(body) // the client is gone: nobody to tell
		return
	}
	rc, hard := http.NewResponseController(w), serverDeadline(r)
	for chunk := range slices.Chunk(body, largeAnswer) {
		_ = rc.SetWriteDeadline(chunkDeadline(c.Now(), hard)) // not supported: nothing to bound
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	// On HTTP/2 a deadline that is left resets the stream when it passes, even
	// behind the last byte. On HTTP/1 the last one bounds what net/http still
	// flushes, which takes it away before the next request of the connection; on
	// HTTP/3 each request has a stream of its own.
	if r.ProtoMajor == 2 {
		_ = rc.Flush()
		_ = rc.SetWriteDeadline(hard)
	}
}

// chunkDeadline is that of a chunk that begins now, and never behind hard: it
// would lift what the operator has set for the server.
func chunkDeadline(now, hard time.Time) time.Time {
	deadline := now.Add(answerTime)
	if !hard.IsZero() && hard.Before(deadline) {
		return hard
	}
	return deadline
}

// serverDeadline is when the server's own write timeout ends the request; zero if
// it has none.
func serverDeadline(r *http.Request) time.Time {
	srv, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || srv.WriteTimeout <= 0 {
		return time.Time{}
	}
	began, ok := caddyhttp.GetVar(r.Context(), "start_time").(time.Time)
	if !ok {
		return time.Time{}
	}
	return began.Add(time.Duration(srv.WriteTimeout))
}
