package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// TLSClient is how to talk TLS to a broker or a store.
type TLSClient struct {
	// CA is a PEM file with the authorities to trust. Default: those of the system.
	CA string `json:"ca,omitempty"`
	// Cert is a PEM file with the client's certificate chain; it needs key. Default: none.
	Cert string `json:"cert,omitempty"`
	// Key is a PEM file with the key of cert. Default: none.
	Key string `json:"key,omitempty"`
}

// tlsFiles is what the files of a TLSClient held when the config was loaded.
type tlsFiles struct {
	roots *x509.CertPool // nil = those of the system
	cert  *tls.Certificate
}

// parseTLS reads the block of
//
//	tls {
//		ca <file>
//		cert <file>
//		key <file>
//	}
func parseTLS(d *caddyfile.Dispenser, dst **TLSClient) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	*dst = new(TLSClient)
	return parseBlock(d, "tls", []word{
		text("ca", &(*dst).CA),
		text("cert", &(*dst).Cert),
		text("key", &(*dst).Key),
	})
}

// load reads the files. A file that cannot be read stops the config: a client
// that went on without it would trust whom the operator did not name.
func (t *TLSClient) load(repl *caddy.Replacer) (files tlsFiles, err error) {
	if t == nil {
		return files, nil
	}
	if (t.Cert == "") != (t.Key == "") {
		return files, errors.New("checking tls: cert and key belong together")
	}
	var ca, cert, key string
	for _, f := range []struct {
		name, value string
		dst         *string
	}{{"tls ca", t.CA, &ca}, {"tls cert", t.Cert, &cert}, {"tls key", t.Key, &key}} {
		if *f.dst, err = expand(repl, f.name, f.value); err != nil {
			return files, err
		}
	}
	if ca != "" {
		if files.roots, err = loadRoots(ca); err != nil {
			return files, err
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return files, fmt.Errorf("loading tls cert and key: %w", err)
		}
		files.cert = &pair
	}
	return files, nil
}

func loadRoots(file string) (*x509.CertPool, error) {
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

// clientConfig makes a TLS configuration that asks for the files of the newest
// attachment at each handshake.
//
// A tls.Config cannot exchange its roots, so verification is done here, with
// the current roots, by the same calls and for the same name. InsecureSkipVerify
// alone would be a hole: VerifyConnection below is what closes it, and it also
// runs for resumed sessions.
func clientConfig(files func() tlsFiles) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // #nosec G402 -- VerifyConnection verifies
		VerifyConnection: func(cs tls.ConnectionState) error {
			return verifyPeer(cs, files().roots)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if c := files().cert; c != nil {
				return c, nil
			}
			return new(tls.Certificate), nil // none is sent
		},
	}
}

func verifyPeer(cs tls.ConnectionState, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("verifying the server: it sent no certificate")
	}
	if cs.ServerName == "" {
		return errors.New("verifying the server: its name is unknown")
	}
	opts := x509.VerifyOptions{Roots: roots, DNSName: cs.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(opts)
	return err
}

// hostPort checks an address that will be dialled and adds the default port.
func hostPort(addr, defaultPort string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, defaultPort
		if defaultPort == "" {
			return "", fmt.Errorf("%q is not host:port", cut(addr))
		}
		if h, p, err := net.SplitHostPort(net.JoinHostPort(addr, defaultPort)); err != nil || h != addr || p != defaultPort {
			return "", fmt.Errorf("%q is not host:port", cut(addr))
		}
	}
	if host == "" {
		return "", fmt.Errorf("%q names no host", cut(addr))
	}
	if _, err := parseCount(port, 1, 65535); err != nil {
		return "", fmt.Errorf("port of %q: %w", cut(addr), err)
	}
	return net.JoinHostPort(host, port), nil
}
