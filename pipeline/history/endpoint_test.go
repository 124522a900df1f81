package history

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// Each new connection has the certificates of its moment, and the server's name
// is verified, also where it is an address.
func TestAnEndpointAsksForCertificatesAtEachConnection_B13(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != "ann" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer s.Close()
	trusted := x509.NewCertPool()
	asked := 0
	e := NewEndpoint(s.Listener.Addr().String(), func() *tls.Config {
		asked++
		return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted}
	}, func(r *http.Request) { r.SetBasicAuth("ann", "secret") })
	if _, err := e.Do(t.Context(), http.MethodGet, "/", nil, nil); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
	trusted.AddCert(s.Certificate())
	if _, err := e.Do(t.Context(), http.MethodGet, "/", nil, nil); err != nil || asked != 2 {
		t.Errorf("after its authority was added: %v, asked %d times", err, asked)
	}
	s.CloseClientConnections()
	trusted = x509.NewCertPool()
	if _, err := e.Do(t.Context(), http.MethodGet, "/", nil, nil); err == nil {
		t.Error("a new connection still trusts an authority that was taken away")
	}
}

// hasty answers before it has read a body, which it goes on to do, as net/http may.
type hasty struct {
	goOn chan struct{}
	sent chan string
}

func (h hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	go func() {
		<-h.goOn
		b, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		h.sent <- string(b)
	}()
	return &http.Response{StatusCode: http.StatusRequestEntityTooLarge, Body: http.NoBody, Request: r}, nil
}

// Sinks write the next request into the memory of the last one.
func TestAnAnswerIsGivenWhenNobodyReadsTheRequestAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := NewEndpoint("h:1", nil, nil)
		h := hasty{make(chan struct{}), make(chan string, 1)}
		e.client.Transport = h
		rows := []byte("rows")
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := e.Do(t.Context(), http.MethodPost, "/", nil, rows); err == nil {
				t.Error("413 is no error")
			}
			copy(rows, "next")
		}()
		synctest.Wait()
		close(h.goOn)
		<-done
		if got := <-h.sent; got != "rows" {
			t.Errorf("%q was sent", got)
		}
	})
}
