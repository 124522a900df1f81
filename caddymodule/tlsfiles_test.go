package caddymodule

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign completes c with a new key; an authority without a certificate signs its own.
func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = serial, pkix.Name{CommonName: serial.String()}
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return signed, key
}

// pair is a certificate for localhost and 127.0.0.1, for both sides.
func (a *authority) pair(changes ...func(*x509.Certificate)) tls.Certificate {
	c := &x509.Certificate{
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, change := range changes {
		change(c)
	}
	signed, key := a.sign(c)
	return tls.Certificate{Certificate: [][]byte{signed.Raw}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// writePEM writes one block.
func writePEM(t *testing.T, file, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func writeKey(t *testing.T, file string, c tls.Certificate) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, file, "PRIVATE KEY", der)
}

// listen answers each connection with the common name of the client's
// certificate.
func listen(t *testing.T, config *tls.Config) (port string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				c := conn.(*tls.Conn)
				if c.Handshake() != nil {
					return
				}
				name := "nobody"
				if certs := c.ConnectionState().PeerCertificates; len(certs) > 0 {
					name = certs[0].Subject.CommonName
				}
				_, _ = io.WriteString(c, name)
			}()
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// greet opens a connection and reads the answer.
func greet(config *tls.Config, addr string) (string, error) {
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: config}).Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

func loaded(t *testing.T, c *TLSClient) *tlsFiles {
	t.Helper()
	files, err := c.load(caddy.NewReplacer())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOnlyTheServerThatIsMeantIsTalkedTo(t *testing.T) {
	ours, others := newAuthority(t), newAuthority(t)
	files := loaded(t, &TLSClient{CA: writePEM(t, filepath.Join(t.TempDir(), "ca"), "CERTIFICATE", ours.cert.Raw)})
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	for name, c := range map[string]struct {
		server tls.Certificate
		host   string
		says   string // empty: it is the one
	}{
		"by name":           {ours.pair(), "localhost", ""},
		"by address":        {ours.pair(), "127.0.0.1", ""},
		"of somebody else":  {others.pair(), "localhost", "unknown authority"},
		"for another name":  {ours.pair(func(c *x509.Certificate) { c.DNSNames = []string{"elsewhere"} }), "localhost", "elsewhere"},
		"for no address":    {ours.pair(func(c *x509.Certificate) { c.IPAddresses = nil }), "127.0.0.1", "127.0.0.1"},
		"expired":           {ours.pair(past), "localhost", "expired"},
		"meant for clients": {ours.pair(func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] }), "localhost", "usage"},
	} {
		port := listen(t, &tls.Config{Certificates: []tls.Certificate{c.server}})
		answer, err := greet(files.config(), net.JoinHostPort(c.host, port))
		switch {
		case c.says == "" && (err != nil || answer != "nobody"):
			t.Errorf("%s: got %q, %v", name, answer, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: got %v, want something about %q", name, err, c.says)
		}
	}
	port := listen(t, &tls.Config{Certificates: []tls.Certificate{ours.pair()}})
	var none *tlsFiles
	if _, err := greet(none.config(), net.JoinHostPort("localhost", port)); err == nil {
		t.Error("a server of an authority that nobody named was talked to")
	}
}

func TestCertificatesAreRenewedUnderWay_B13(t *testing.T) {
	dir := t.TempDir()
	ca, cert, key := filepath.Join(dir, "ca"), filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	old, renewed := newAuthority(t), newAuthority(t)
	// A server of each, which talks to its own clients alone.
	ports := map[*authority]string{}
	pairs := map[*authority]tls.Certificate{}
	for _, a := range []*authority{old, renewed} {
		pairs[a] = a.pair()
		ports[a] = listen(t, &tls.Config{Certificates: []tls.Certificate{a.pair()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool()})
	}
	write := func(a *authority) {
		writePEM(t, ca, "CERTIFICATE", a.cert.Raw)
		writePEM(t, cert, "CERTIFICATE", pairs[a].Certificate[0])
		writeKey(t, key, pairs[a])
	}
	write(old)
	files := loaded(t, &TLSClient{CA: ca, Cert: cert, Key: key})
	reaches := func(when string, a *authority) {
		t.Helper()
		leaf, err := x509.ParseCertificate(pairs[a].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := greet(files.config(), "localhost:"+ports[a]); err != nil || got != leaf.Subject.CommonName {
			t.Errorf("%s: got %q, %v, want to be known as %s", when, got, err, leaf.Subject.CommonName)
		}
	}
	reaches("at first", old)
	// The certificate is new already, its key is not: what was read before counts.
	writePEM(t, cert, "CERTIFICATE", pairs[renewed].Certificate[0])
	reaches("in the middle of a renewal", old)
	write(renewed)
	reaches("after it", renewed)
	if err := os.Remove(ca); err != nil {
		t.Fatal(err)
	}
	reaches("while a file is away", renewed)
	if got, err := greet(files.config(), "localhost:"+ports[old]); err == nil {
		t.Errorf("the old server was talked to: %q", got)
	}
}

func TestUnreadableCertificatesStopTheConfig(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	pair := a.pair()
	cert, key := writePEM(t, filepath.Join(dir, "cert"), "CERTIFICATE", pair.Certificate[0]), writeKey(t, filepath.Join(dir, "key"), pair)
	other := writeKey(t, filepath.Join(dir, "other"), a.pair())
	for name, c := range map[string]TLSClient{
		"cert and key belong together": {Cert: cert},
		"loading tls ca":               {CA: filepath.Join(dir, "nowhere")},
		"holds no PEM certificate":     {CA: key},
		"loading tls cert and key":     {Cert: cert, Key: other},
		"expanding tls ca":             {CA: "{env.KLINE_TEST_UNSET}"},
	} {
		if _, err := c.load(caddy.NewReplacer()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: got %v, want %q", c, err, name)
		}
	}
}

// Secrets are written as {file.}, and so a key is at times: the content of the
// file was the name of one that could not be opened, in the log.
func TestAKeyInPlaceOfTheNameOfItsFileIsNotShown(t *testing.T) {
	name := filepath.Join(t.TempDir(), "node.key")
	if err := os.WriteFile(name, []byte("-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	content := "{file." + name + "}"
	for _, c := range []*TLSClient{{CA: content}, {Cert: content, Key: name}, {Cert: name, Key: content}} {
		if _, err := c.load(caddy.NewReplacer()); err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "without {file.}") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
