package caddymodule

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// databaseName is the alphabet of databases, schemas and sink names: what needs
// no thought in any of the servers.
var databaseName = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]{0,62}\z`)

// historyEnv is what an engine gives to its histories.
type historyEnv struct {
	clock    clock.Clock
	observer history.Observer
	log      pipeline.Logger
	lender   lender
}

// HistoryServer is what all databases have in common: where they are, who asks,
// and which tables are written.
type HistoryServer struct {
	// Address is host:port of the server. Default: none, required.
	Address string `json:"address,omitempty"`
	// Database is the name of the database. Default: kline.
	Database string `json:"database,omitempty"`
	// Username is whom the server knows; placeholders are expanded. Default: none.
	Username string `json:"username,omitempty"`
	// Password is `{env.NAME}` or `{file./path}`, never a literal. Default: none.
	Password string `json:"password,omitempty"`
	// SinkName is the name in metrics and in the status, unique among the histories. Default: the name of the module.
	SinkName string `json:"sink_name,omitempty"`
	// TLS encrypts the connection. Default: none, plain text.
	TLS *TLSClient `json:"tls,omitempty"`

	addr string
	held loan
}

// words are those of the common settings.
func (h *HistoryServer) words(more ...word) []word {
	return append([]word{
		text("address", &h.Address),
		named("database", &h.Database),
		text("username", &h.Username),
		{name: "password", read: h.readPassword},
		named("sink_name", &h.SinkName),
		{name: "tls", read: func(d *caddyfile.Dispenser) error { return parseTLS(d, &h.TLS) }},
	}, more...)
}

// parse reads the block of a history.
func (h *HistoryServer) parse(d *caddyfile.Dispenser, owner string, more ...word) error {
	if err := onlyName(d); err != nil {
		return err
	}
	if err := parseBlock(d, "history "+owner, h.words(more...)); err != nil {
		return err
	}
	if h.Address == "" {
		return d.Errf("history %s has no address: add `address <host:port>`", owner)
	}
	return nil
}

func (h *HistoryServer) readPassword(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&h.Password) {
		return usage(d, "password <secret>")
	}
	if err := checkSecret("password", h.Password); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// named reads one name of the alphabet that all databases take.
func named(name string, dst *string) word {
	return word{name: name, read: func(d *caddyfile.Dispenser) error {
		if !d.AllArgs(dst) {
			return usage(d, name+" <name>")
		}
		if err := checkName(name, *dst); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}}
}

func checkName(name, value string) error {
	if value != "" && !databaseName.MatchString(value) {
		return fmt.Errorf("checking %s: %q is no name (allowed: a letter or underscore, then up to 62 letters, digits and underscores)", name, cut(value))
	}
	return nil
}

// provision expands placeholders and reads secrets and files.
func (h *HistoryServer) provision(defaultPort string) (err error) {
	repl := caddy.NewReplacer()
	if h.Address == "" {
		return errors.New("checking history: no address given")
	}
	addr, err := expand(repl, "address", h.Address)
	if err != nil {
		return err
	}
	if h.addr, err = hostPort(addr, defaultPort); err != nil {
		return fmt.Errorf("checking address: %w", err)
	}
	user, err := expand(repl, "username", h.Username)
	if err != nil {
		return err
	}
	h.held.user = newSecret(user)
	if h.Password != "" {
		if h.held.password, err = resolveSecret(repl, "password", h.Password); err != nil {
			return err
		}
	}
	if h.held.files, err = h.TLS.load(repl); err != nil {
		return err
	}
	return errors.Join(checkName("database", h.Database), checkName("sink_name", h.SinkName))
}

func (h *HistoryServer) lends() *loan { return &h.held }

// tls is nil for plain text.
func (h *HistoryServer) tls(l lender, kind string) func() *tls.Config {
	if h.TLS == nil {
		return nil
	}
	return lentTLS(l, kind)
}

// loanOf is the name under which a history's secrets are lent.
func loanOf(h History) string { return "history " + h.Sink() }

// fingerprint is all that makes a history another one. Secrets are not in it:
// the running one asks for them at each connection.
func fingerprint(h any, addr string) string {
	b, err := json.Marshal(h)
	if err != nil { // texts, numbers and switches always marshal
		return addr
	}
	return fmt.Sprintf("%T %s %s", h, addr, b)
}

// tables reads the names of streams.
func tables(dst *[]string) word {
	return word{name: "tables", read: func(d *caddyfile.Dispenser) error {
		if err := words("tables", dst).read(d); err != nil {
			return err
		}
		if _, err := streamsOf(*dst); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}}
}

// streamsOf parses names of tables; none gives the default.
func streamsOf(names []string, otherwise ...history.Stream) ([]history.Stream, error) {
	if len(names) == 0 {
		return otherwise, nil
	}
	var list []history.Stream
	for _, n := range names {
		s, err := history.ParseStream(n)
		if err != nil {
			return nil, fmt.Errorf("checking tables: %w", err)
		}
		if slices.Contains(list, s) {
			return nil, fmt.Errorf("checking tables: %s stands twice in %q", n, cut(strings.Join(names, " ")))
		}
		list = append(list, s)
	}
	return list, nil
}
