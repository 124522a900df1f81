package caddymodule

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

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

// parseTLS reads the block of
//
//	tls {
//		ca <file>
//		cert <file>
//		key <file>
//	}
func parseTLS(d *caddyfile.Dispenser, dst **TLSClient) error {
	if err := alone(d); err != nil {
		return err
	}
	*dst = new(TLSClient)
	return parseBlock(d, "tls", []word{
		text("ca", &(*dst).CA),
		text("cert", &(*dst).Cert),
		text("key", &(*dst).Key),
	})
}

// load expands the names of the files and reads them once. A file that cannot be
// read stops the config: a client that went on without it would trust whom the
// operator did not name.
func (t *TLSClient) load(repl *caddy.Replacer) (*tlsFiles, error) {
	files := new(tlsFiles)
	if t == nil {
		return files, nil
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, errors.New("checking tls: cert and key belong together")
	}
	for _, f := range []struct {
		name, value string
		dst         *string
	}{{"tls ca", t.CA, &files.ca}, {"tls cert", t.Cert, &files.cert}, {"tls key", t.Key, &files.key}} {
		var err error
		if *f.dst, err = expand(repl, f.name, f.value); err != nil {
			return nil, err
		}
		if strings.ContainsFunc(*f.dst, unicode.IsControl) || strings.Contains(*f.dst, "-----BEGIN") {
			// Not quoted: it may be the key itself, as the name of a file that cannot be opened.
			return nil, fmt.Errorf("checking %s: it stands for the content of a file: write the name of the file, without {file.}", f.name)
		}
	}
	_, err := files.read()
	return files, err
}
