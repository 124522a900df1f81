package history

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
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
