package caddymodule

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// unfinished is a body that breaks off; look is called when all of it was read.
type unfinished struct {
	io.Reader
	look func()
}

func (u *unfinished) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		u.look()
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// A thousand bytes that are sent and never ended take a megabyte of memory: 1,500
// such requests of one user within their 30 s took 1.7 GB.
func TestBodiesOfTradesAreCountedWhileTheyCome(t *testing.T) {
	b := newIngestBed(t)
	const size = maxIngestBody - 100
	var sent bytes.Buffer
	z := gzip.NewWriter(&sent)
	_, _ = z.Write(bytes.Repeat([]byte("\n"), size))
	_ = z.Flush()
	counted := 0
	body := &unfinished{&sent, func() { counted = b.engine.bodies.waiting() }}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, ingestPath, body)
	r.Header.Set("Content-Encoding", "gzip")
	repl := caddy.NewReplacer()
	repl.Set("http.auth.user.id", "ann")
	w := httptest.NewRecorder()
	if err := b.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)), nil); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusBadRequest || counted < size {
		t.Errorf("%d %s: %d bytes were counted before the end of %d", w.Code, w.Body, counted, size)
	}
	if n := b.engine.bodies.waiting(); n != 0 {
		t.Errorf("%d bytes are still counted behind the answer", n)
	}
}

func TestAUserWithManyBodiesUnderWayWaits(t *testing.T) {
	b := newIngestBed(t)
	large := strings.Repeat("\n", 2*largeAnswer) + tradeLine(1)
	waits := b.engine.bodies.begin("uann")
	if err := waits.hold(clientAnswers); err != nil {
		t.Fatal(err)
	}
	if w := b.post("ann", large); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), problemPrefix+"busy\"") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := b.post("ann", tradeLine(1)); w.Code != http.StatusOK {
		t.Errorf("a small body: %d %s", w.Code, w.Body)
	}
	if w := b.post("bob", large); w.Code != http.StatusOK {
		t.Errorf("another user: %d %s", w.Code, w.Body)
	}
	waits.release()
	if w := b.post("ann", large); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
}

// The server waits for the rest of a body before it sends the answer, for ever
// where nothing bounds it.
func TestARefusalOfTradesDoesNotWaitForTheirBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), 1)
		i := &Ingest{engine: e}
		i.prepare()
		client, end := servePipe(t, i)
		defer end()
		_, _ = io.WriteString(client, "POST "+ingestPath+" HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
		began := e.clock.Now()
		answer := make([]byte, 12)
		if _, err := io.ReadFull(client, answer); err != nil || string(answer) != "HTTP/1.1 401" {
			t.Fatalf("%q, %v", answer, err)
		}
		if took := e.clock.Now().Sub(began); took > unwanted {
			t.Errorf("the answer took %s", took)
		}
	})
}
