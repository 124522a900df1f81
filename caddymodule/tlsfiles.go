package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"
)

// tlsFiles are the files of a TLSClient. They are read again for each new
// connection: certificates are renewed under the feet of a process that runs for
// months, and a reload of an unchanged configuration does nothing.
type tlsFiles struct {
	ca, cert, key string // empty: not given
	last          atomic.Pointer[certificates]
}

// certificates are what the files of a TLSClient held.
type certificates struct {
	roots *x509.CertPool   // nil: those of the system
	own   *tls.Certificate // nil: none is sent
}

// read reads the files and keeps what they hold.
func (f *tlsFiles) read() (*certificates, error) {
	held := new(certificates)
	if f.ca != "" {
		roots, err := readRoots(f.ca)
		if err != nil {
			return nil, err
		}
		held.roots = roots
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, fmt.Errorf("loading tls cert and key: %w", err)
		}
		held.own = &pair
	}
	f.last.Store(held)
	return held, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) // #nosec G304 -- named by the operator
	if err != nil {
		return nil, fmt.Errorf("loading tls ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("loading tls ca: %q holds no PEM certificate", cut(file))
	}
	return pool, nil
}

// config is that of one connection; who opens it adds the name of the server.
// Files that cannot be read just now, a new certificate whose key is still the
// old one among them, leave what was read before. Of a guest that no config has
// any more nothing is known, and the system's authorities are asked.
func (f *tlsFiles) config() *tls.Config {
	if f == nil {
		f = new(tlsFiles)
	}
	held, err := f.read()
	if err != nil {
		held = f.last.Load()
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    held.roots,
		// Sent whatever authorities the server names: those that it lists are
		// often not those that it takes.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if held.own != nil {
				return held.own, nil
			}
			return new(tls.Certificate), nil // none is sent
		},
	}
}

// lentTLS asks the newest attachment at each new connection.
func lentTLS(l lender, kind string) func() *tls.Config {
	return func() *tls.Config { return l.loan(kind).files.config() }
}
