package caddymodule

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

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

// RedisStore mirrors the newest klines into Redis (a single server, a master that
// sentinels watch, or a cluster), from where other programs read them. Its
// absence degrades nothing but itself.
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
	// Address is host:port of a single server. Exactly one of address, sentinel
	// and cluster is given. Default: none.
	Address string `json:"address,omitempty"`
	// Sentinel names the master and the sentinels that know where it is. Default: none.
	Sentinel *RedisSentinel `json:"sentinel,omitempty"`
	// Cluster are host:port of nodes of a Redis Cluster, one is enough to find
	// the others; an entry may expand to a comma-separated list. Default: none.
	Cluster []string `json:"cluster,omitempty"`
	// Username is the ACL user; placeholders are expanded. Default: none.
	Username string `json:"username,omitempty"`
	// Password is `{env.NAME}` or `{file./path}`, never a literal. Default: none.
	Password string `json:"password,omitempty"`
	// KeyPrefix stands in front of each key. Default: kl.
	KeyPrefix string `json:"key_prefix,omitempty"`
	// TLS encrypts the connection. Default: none, plain text.
	TLS *TLSClient `json:"tls,omitempty"`

	addr   string // a single server
	master string
	addrs  []string // of sentinels if there is a master, else of a cluster
	loan   loan
}

// RedisSentinel is how sentinels are asked for the master.
type RedisSentinel struct {
	// Master is the name that the sentinels know the master by. Default: none, required.
	Master string `json:"master,omitempty"`
	// Addresses are host:port of sentinels, which are asked without a password;
	// an entry may expand to a comma-separated list. Default: none, required.
	Addresses []string `json:"addresses,omitempty"`
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
//
// In the place of address there may be `sentinel <master> <host:port>...` or
// `cluster <host:port>...`.
func (s *RedisStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if err := onlyName(d); err != nil {
		return err
	}
	err := parseBlock(d, "redis", []word{
		s.place(text("address", &s.Address)),
		s.place(word{name: "sentinel", read: s.readSentinel}),
		s.place(words("cluster", &s.Cluster)),
		text("username", &s.Username),
		{name: "password", read: s.readPassword},
		text("key_prefix", &s.KeyPrefix),
		{name: "tls", read: func(d *caddyfile.Dispenser) error { return parseTLS(d, &s.TLS) }},
	})
	if err != nil {
		return err
	}
	if len(s.places()) == 0 {
		return d.WrapErr(errNoPlace)
	}
	return nil
}

// errNoPlace answers a store without an address.
var errNoPlace = errors.New("store redis has no address: add one of `address <host:port>`, `sentinel <master> <host:port>...`, `cluster <host:port>...`")

// places are the words given of which there may be one.
func (s *RedisStore) places() []string {
	var given []string
	if s.Address != "" {
		given = append(given, "address")
	}
	if s.Sentinel != nil {
		given = append(given, "sentinel")
	}
	if len(s.Cluster) > 0 {
		given = append(given, "cluster")
	}
	return given
}

// place refuses a second word that says where Redis is.
func (s *RedisStore) place(w word) word {
	read := w.read
	w.read = func(d *caddyfile.Dispenser) error {
		if given := s.places(); len(given) > 0 {
			return d.Errf("%s cannot stand beside %s (allowed: one of address, sentinel, cluster)", w.name, given[0])
		}
		return read(d)
	}
	return w
}

func (s *RedisStore) readSentinel(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return d.Err("sentinel needs the name of the master and at least one address: sentinel <master> <host:port>...")
	}
	s.Sentinel = &RedisSentinel{Master: args[0], Addresses: args[1:]}
	return nil
}

func (s *RedisStore) readPassword(d *caddyfile.Dispenser) error {
	if !d.AllArgs(&s.Password) {
		return usage(d, "password <secret>")
	}
	if err := checkSecret("password", s.Password); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Provision expands placeholders and reads secrets and files.
func (s *RedisStore) Provision(caddy.Context) error {
	repl := caddy.NewReplacer()
	if err := s.provisionPlace(repl); err != nil {
		return err
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

// provisionPlace expands and checks where Redis is.
func (s *RedisStore) provisionPlace(repl *caddy.Replacer) error {
	given := s.places()
	if len(given) > 1 {
		return fmt.Errorf("checking store redis: both %s and %s are given, allowed is one of address, sentinel, cluster", given[0], given[1])
	}
	if len(given) == 0 {
		return fmt.Errorf("checking store redis: %w", errNoPlace)
	}
	switch {
	case s.Sentinel != nil:
		var err error
		if s.master, err = expand(repl, "sentinel", s.Sentinel.Master); err != nil {
			return err
		}
		if s.master == "" {
			return errors.New("checking sentinel: no name of the master given")
		}
		return s.provisionAddresses(repl, "sentinel", s.Sentinel.Addresses, "26379")
	case len(s.Cluster) > 0:
		return s.provisionAddresses(repl, "cluster", s.Cluster, "6379")
	}
	addr, err := expand(repl, "address", s.Address)
	if err != nil {
		return err
	}
	if s.addr, err = hostPort(addr, "6379"); err != nil {
		return fmt.Errorf("checking address: %w", err)
	}
	return nil
}

func (s *RedisStore) provisionAddresses(repl *caddy.Replacer, name string, in []string, defaultPort string) error {
	list, err := expandList(repl, name, in)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("checking %s: no address given", name)
	}
	s.addrs = nil
	for _, one := range list {
		addr, err := hostPort(one, defaultPort)
		if err != nil {
			return fmt.Errorf("checking %s: %w", name, err)
		}
		s.addrs = append(s.addrs, addr)
	}
	slices.Sort(s.addrs) // another order is the same Redis
	s.addrs = slices.Compact(s.addrs)
	return nil
}

// Validate checks the prefix of the keys.
func (s *RedisStore) Validate() error {
	if s.KeyPrefix != "" && !keyPrefix.MatchString(s.KeyPrefix) {
		return fmt.Errorf("checking key_prefix: %q has other characters than letters, digits, dot, underscore and hyphen, or more than 32", cut(s.KeyPrefix))
	}
	return nil
}

// Identity is the Redis and the keys.
func (s *RedisStore) Identity() any {
	return struct {
		Addr, Master string
		Addrs        []string
		Prefix       string
		TLS          bool
	}{s.addr, s.master, s.addrs, s.KeyPrefix, s.TLS != nil}
}

// BuildStore fills cfg.Redis.
func (s *RedisStore) BuildStore(cfg *pipeline.Config, l lender) error {
	cfg.Redis = &pipeline.RedisStore{Addr: s.addr, Credentials: lentCredentials(l, "store"), KeyPrefix: s.KeyPrefix}
	if s.master != "" {
		cfg.Redis.Master, cfg.Redis.Sentinels = s.master, s.addrs
	} else {
		cfg.Redis.Cluster = s.addrs
	}
	if s.TLS != nil {
		cfg.Redis.TLS = lentTLS(l, "store")
	}
	return nil
}

func (s *RedisStore) lends() *loan { return &s.loan }
