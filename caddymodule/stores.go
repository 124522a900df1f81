package caddymodule

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline"
)

// keyPrefix holds no brace, so that it cannot open a hash tag in a key.
var keyPrefix = regexp.MustCompile(`\A[A-Za-z0-9._-]{1,32}\z`)

// MemoryStore keeps the view in this process alone. It takes no options.
type MemoryStore struct{}

// CaddyModule returns the Caddy module information.
func (MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.stores.memory", New: func() caddy.Module { return new(MemoryStore) }}
}

// UnmarshalCaddyfile reads
//
//	store memory
func (*MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	return parseBlock(d, "memory", nil)
}

// Identity is nothing: one memory is as good as another.
func (*MemoryStore) Identity() any { return nil }

// BuildStore leaves cfg as it is: memory is always there.
func (*MemoryStore) BuildStore(*pipeline.Config, lender) error { return nil }

func (*MemoryStore) lends() *loan { return new(loan) }

// RedisStore mirrors the newest klines into a Redis server, from where other
// programs read them. Its absence degrades nothing but itself.
//
// ### Placeholders
//
// Placeholders are expanded once, when the config is loaded.
//
// Placeholder | Description
// ------------|-------------
// `{env.*}` | an environment variable
// `{file.*}` | the content of a file
type RedisStore struct {
	// Address is host:port of the server. Default: none, required.
	Address string `json:"address,omitempty"`
	// Username is the ACL user; placeholders are expanded. Default: none.
	Username string `json:"username,omitempty"`
	// Password is `{env.NAME}` or `{file./path}`, never a literal. Default: none.
	Password string `json:"password,omitempty"`
	// KeyPrefix stands in front of each key. Default: kl.
	KeyPrefix string `json:"key_prefix,omitempty"`
	// TLS encrypts the connection. Default: none, plain text.
	TLS *TLSClient `json:"tls,omitempty"`

	addr string
	loan loan
}

// CaddyModule returns the Caddy module information.
func (RedisStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "kline.stores.redis", New: func() caddy.Module { return new(RedisStore) }}
}

// UnmarshalCaddyfile reads
//
//	store redis {
//		address <host:port>
//		username <name>
//		password <secret>
//		key_prefix <text>
//		tls {
//			ca <file>
//			cert <file>
//			key <file>
//		}
//	}
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	return parseBlock(d, "redis", []word{
		text("address", &s.Address),
		text("username", &s.Username),
		{name: "password", read: s.readPassword},
		text("key_prefix", &s.KeyPrefix),
		{name: "tls", read: func(d *caddyfile.Dispenser) error { return parseTLS(d, &s.TLS) }},
	})
}

func (s *RedisStore) readPassword(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&s.Password) {
		return d.ArgErr()
	}
	if err := checkSecret("password", s.Password); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Provision expands placeholders and reads secrets and files.
func (s *RedisStore) Provision(caddy.Context) error {
	repl := caddy.NewReplacer()
	addr, err := expand(repl, "address", s.Address)
	if err != nil {
		return err
	}
	if addr == "" {
		return errors.New("checking store redis: no address given, add `address <host:port>`")
	}
	if s.addr, err = hostPort(addr, "6379"); err != nil {
		return fmt.Errorf("checking address: %w", err)
	}
	user, err := expand(repl, "username", s.Username)
	if err != nil {
		return err
	}
	s.loan.user = newSecret(user)
	if s.Password != "" {
		if s.loan.password, err = resolveSecret(repl, "password", s.Password); err != nil {
			return err
		}
	}
	s.loan.files, err = s.TLS.load(repl)
	return err
}

// Validate checks the prefix of the keys.
func (s *RedisStore) Validate() error {
	if s.KeyPrefix != "" && !keyPrefix.MatchString(s.KeyPrefix) {
		return fmt.Errorf("checking key_prefix: %q has other characters than letters, digits, dot, underscore and hyphen, or more than 32", cut(s.KeyPrefix))
	}
	return nil
}

// Identity is the server and the keys.
func (s *RedisStore) Identity() any {
	return struct {
		Addr, Prefix string
		TLS          bool
	}{s.addr, s.KeyPrefix, s.TLS != nil}
}

// BuildStore fills cfg.Redis.
func (s *RedisStore) BuildStore(cfg *pipeline.Config, l lender) error {
	cfg.Redis = &pipeline.RedisStore{
		Addr: s.addr, Credentials: lentCredentials(l, "store"), KeyPrefix: s.KeyPrefix,
	}
	if s.TLS != nil {
		cfg.Redis.TLS = clientConfig(func() tlsFiles { return l.loan("store").files })
	}
	return nil
}

func (s *RedisStore) lends() *loan { return &s.loan }
