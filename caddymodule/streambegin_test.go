package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// largeStream begins with more than largeAnswer of what largeBars holds.
const (
	largeStream = "/v1/stream?s=BTCUSD@1m&snapshot=1000"
	busyBye     = `event: bye` + "\n" + `data: {"reason":"busy"`
)

// Ten thousand streams that begin with a megabyte each and are never read took
// ten gigabytes.
func TestWhatAStreamBeginsWithIsCountedUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), largeBars)
		client, end := servePipe(t, testStream(e))
		defer end()
		_, _ = io.WriteString(client, "GET "+largeStream+" HTTP/1.1\r\nHost: a\r\n\r\n")
		_, _ = io.ReadFull(client, make([]byte, 1<<10)) // the header, the retry block, and some of it
		synctest.Wait()
		if n := e.answers.waiting(); n < largeAnswer {
			t.Fatalf("%d bytes wait: the stream does not begin with a large answer, or that is not counted", n)
		}
		_, _ = io.CopyN(io.Discard, client, largeAnswer)
		go func() { _, _ = io.Copy(io.Discard, client) }() // the test's own client
		synctest.Wait()
		if n := e.answers.waiting(); n != 0 {
			t.Errorf("%d bytes are counted of a client that has taken all", n)
		}
	})
}

func TestAClientWithManyBytesThatWaitIsToldToStayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := startedEngine(t, clock.Real(), largeBars)
		s := testStream(e)
		waits := e.answers.begin("i192.0.2.1")
		if err := waits.hold(clientAnswers); err != nil {
			t.Fatal(err)
		}
		w, cancel, done := open(t, s, largeStream, 1)
		synctest.Wait()
		if text := w.text(); !strings.Contains(text, busyBye) || strings.Contains(text, "snapshot") {
			t.Errorf("got %.300s", text)
		}
		cancel()
		<-done
		w, cancel, done = open(t, s, "/v1/stream?s=BTCUSD@1m", 1)
		synctest.Wait()
		if text := w.text(); !strings.Contains(text, "event: snapshot") {
			t.Errorf("a stream that begins with one bar: %.300s", text)
		}
		cancel()
		<-done
		waits.release()
		w, cancel, done = open(t, s, largeStream, 1)
		synctest.Wait()
		if text := w.text(); !strings.Contains(text, "event: snapshot") || len(text) < largeAnswer {
			t.Errorf("afterwards: %.300s", text)
		}
		cancel()
		<-done
	})
}

// A client that hangs up and comes back at once had both cores for itself.
func TestAClientOpensStreamsNoFasterThanItsLimitAllows(t *testing.T) {
	c := clock.NewFake(time.UnixMilli(1e12))
	e, _ := startedEngine(t, c, 1)
	s := testStream(e)
	from := func(method string) string {
		w, _ := ask(t, s, method, "/v1/stream?s=BTCUSD@1m")
		if w.Code != http.StatusOK {
			t.Fatalf("%d %s: browsers do not come back after any other status than 200", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for range s.options.limits.ip { // all that it may have come back together
		from(http.MethodHead)
	}
	if got := from(http.MethodGet); !strings.Contains(got, busyBye) || !strings.Contains(got, "retry: 30000") {
		t.Errorf("one more: %q", got)
	}
	c.Advance(time.Second)
	for range s.options.limits.ip / opensIn {
		if ok, _ := s.opens.allow("i192.0.2.1"); !ok {
			t.Fatal("a second later it may open a quarter of them")
		}
	}
	if ok, _ := s.opens.allow("i192.0.2.1"); ok {
		t.Error("it may open more than a quarter in a second")
	}
	if ok, _ := s.opens.allow("i192.0.2.2"); !ok {
		t.Error("another address pays for it")
	}
}
