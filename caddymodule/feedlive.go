package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
)

// LiveFeed is what feeds from venues have in common.
type LiveFeed struct {
	// URL is the address of the venue; placeholders are expanded. Default: that of the format.
	URL string `json:"url,omitempty"`
	// Symbols as the venue writes them; an entry may expand to a comma-separated list. Default: none, required.
	Symbols []string `json:"symbols,omitempty"`
	// SymbolPrefix stands in front of the venue's symbols in the topic, for two venues that use the same names. Default: none.
	SymbolPrefix string `json:"symbol_prefix,omitempty"`
	// Format is the venue's dialect, or generic with the places of the fields. Default: generic.
	Format *adapter.Format `json:"format,omitempty"`
	// Contracts takes the sizes of derivatives in contracts; without it their trades are refused. Default: false.
	Contracts bool `json:"contracts,omitempty"`
	// Headers are sent with each request to the venue; values are `{env.NAME}` or `{file./path}`. Default: none.
	Headers map[string]string `json:"headers,omitempty"`
	// Proxies are asked in turn, http, https or socks5; placeholders are expanded, and one with a password is `{env.NAME}` or `{file./path}` as a whole. Default: those of the environment.
	Proxies []string `json:"proxies,omitempty"`
	// Timeout of one request, to the last byte. Default: 3s.
	Timeout *caddy.Duration `json:"timeout,omitempty"`
	// MaxBody bounds an answer, before and after decompression, in bytes. Default: 8388608.
	MaxBody int64 `json:"max_body,omitempty"`
	// Retries is how often a request is repeated before the next turn. Default: 3.
	Retries int `json:"retries,omitempty"`
	// Rate bounds the requests to the venue, of all nodes with one Redis. Default: 10 per second, bursts of 20.
	Rate *Rate `json:"rate,omitempty"`
	// FollowRedirects allows up to three, to public addresses alone. Default: false.
	FollowRedirects bool `json:"follow_redirects,omitempty"`
	// Delay is how long the venue may keep a trade back; heartbeats promise nothing younger. Default: 1s.
	Delay *caddy.Duration `json:"delay,omitempty"`
	// DeliveryTimeout is how long trades are tried to be written before they go to the disk. Default: 30s.
	DeliveryTimeout *caddy.Duration `json:"delivery_timeout,omitempty"`
	// Spill bounds the trades on the disk, in bytes. Default: 67108864.
	Spill int64 `json:"spill,omitempty"`
	// Lease is how long a lock holds when its node has died. Default: 10s.
	Lease *caddy.Duration `json:"lease,omitempty"`
	// Source is the `src` of the feed's trades, unique among the feeds. Default: the feed's name.
	Source string `json:"source_name,omitempty"`
	// Heartbeats tell the engine how far the feed has read. Default: true.
	Heartbeats *bool `json:"heartbeats,omitempty"`

	url     string
	symbols []string
	headers map[string]secret
	proxies []*url.URL
	secrets string // a hash of what the expanded values are
}

// words are the words of all feeds from venues.
func (f *LiveFeed) words() []word {
	return []word{
		text("url", &f.URL),
		words("symbols", &f.Symbols),
		text("symbol_prefix", &f.SymbolPrefix),
		{name: "format", read: f.readFormat},
		toggle("contracts", &f.Contracts),
		{name: "header", repeat: true, read: f.readHeader},
		words("proxy", &f.Proxies),
		positive("timeout", &f.Timeout),
		size("max_body", &f.MaxBody, 1<<10),
		count("retries", &f.Retries, 1, 20),
		{name: "rate", read: func(d *caddyfile.Dispenser) error { return readRate(d, &f.Rate) }},
		toggle("follow_redirects", &f.FollowRedirects),
		positive("delay", &f.Delay),
		positive("delivery_timeout", &f.DeliveryTimeout),
		size("spill", &f.Spill, 64<<10),
		{name: "lease", read: f.readLease},
		checked(text("source_name", &f.Source), func() error { return checkSource(f.Source) }),
		onOff("heartbeats", &f.Heartbeats),
	}
}

func (f *LiveFeed) readFormat(d *caddyfile.Dispenser) error {
	if err := parseFormat(d, &f.Format, adapter.VenueNames()...); err != nil {
		return err
	}
	if _, err := adapter.NewReader(*f.Format, adapter.Options{}); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (f *LiveFeed) readHeader(d *caddyfile.Dispenser) error {
	var name, value string
	if !d.AllArgs(&name, &value) {
		return usage(d, "header <name> <value>")
	}
	if err := checkHeader(name, value); err != nil {
		return d.WrapErr(err)
	}
	if _, have := f.Headers[name]; have {
		return d.Errf("header %s is given twice", cut(name))
	}
	if f.Headers == nil {
		f.Headers = make(map[string]string)
	}
	f.Headers[name] = value
	return nil
}

// headerName is a token of RFC 9110 5.6.2, bounded.
var headerName = regexp.MustCompile("\\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\\z")

// checkHeader refuses what would break a request, and keys in clear text.
func checkHeader(name, value string) error {
	if !headerName.MatchString(name) || http.CanonicalHeaderKey(name) == "Host" {
		return fmt.Errorf("checking header: %q is not the name of a header that can be set", cut(name))
	}
	return checkSecret("the value of header "+name, value)
}

// leaseLow is the shortest lock: it is renewed four times in its life, over a
// network.
const leaseLow = 2 * time.Second

func (f *LiveFeed) readLease(d *caddyfile.Dispenser) error {
	if err := positive("lease", &f.Lease).read(d); err != nil {
		return err
	}
	if time.Duration(*f.Lease) < leaseLow {
		return d.Errf("parsing lease: %s is too short (allowed: %s or more)", time.Duration(*f.Lease), leaseLow)
	}
	return nil
}

// provision expands placeholders and reads secrets.
func (f *LiveFeed) provision() (err error) {
	if err := checkSource(f.Source); err != nil {
		return err
	}
	repl := caddy.NewReplacer()
	if f.url, err = expand(repl, "url", f.URL); err != nil {
		return err
	}
	if f.symbols, err = expandList(repl, "symbols", f.Symbols); err != nil {
		return err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q", f.url, f.symbols)
	f.headers = make(map[string]secret, len(f.Headers))
	for name, value := range f.Headers {
		if err := checkHeader(name, value); err != nil {
			return err
		}
		s, err := resolveSecret(repl, "header "+name, value)
		if err != nil {
			return err
		}
		f.headers[name] = s
	}
	if err := f.provisionProxies(repl); err != nil {
		return err
	}
	if f.Lease != nil && time.Duration(*f.Lease) < leaseLow {
		return fmt.Errorf("checking lease: %s is too short (allowed: %s or more)", time.Duration(*f.Lease), leaseLow)
	}
	for _, name := range slices.Sorted(maps.Keys(f.headers)) {
		fmt.Fprintf(hash, "%q %q", name, f.headers[name].reveal())
	}
	for _, p := range f.proxies {
		fmt.Fprintf(hash, "%q", p.String())
	}
	f.secrets = hex.EncodeToString(hash.Sum(nil))
	return nil
}

// errProxy does not quote the address: a password may be in it.
var errProxy = errors.New("checking proxy: an address must be http://, https:// or socks5:// with a host, and one with a password must be written as {env.NAME} or {file./path}")

func (f *LiveFeed) provisionProxies(repl *caddy.Replacer) error {
	f.proxies = nil
	for _, raw := range f.Proxies {
		text, err := expand(repl, "proxy", raw)
		if err != nil {
			return err
		}
		for one := range strings.SplitSeq(text, ",") {
			u, err := url.Parse(strings.TrimSpace(one))
			if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
				return errProxy
			}
			if u.User != nil && !secretForm.MatchString(raw) {
				return errProxy
			}
			f.proxies = append(f.proxies, u)
		}
	}
	return nil
}

// live is the configuration of the feed. base is the address for HTTP.
func (f *LiveFeed) live(env feedEnv, source, base string) feed.Live {
	l := feed.Live{
		SourceName: source, Contracts: f.Contracts, Symbols: f.symbols, SymbolPrefix: f.SymbolPrefix,
		NoHeartbeats: f.Heartbeats != nil && !*f.Heartbeats, SpillBytes: f.Spill,
		Delay: orUnset(f.Delay), DeliveryTimeout: orUnset(f.DeliveryTimeout), LeaseTime: orUnset(f.Lease),
		Fetch: feed.FetchConfig{
			Base: base, Proxies: f.proxies, Timeout: orUnset(f.Timeout), MaxBody: f.MaxBody, Retries: f.Retries,
			FollowRedirects: f.FollowRedirects, Headers: make(map[string]func() string, len(f.headers)),
		},
		Clock: env.clock, Observer: env.observer,
	}
	for name, s := range f.headers {
		l.Fetch.Headers[name] = s.reveal
	}
	if f.Format != nil {
		l.Format = *f.Format
	}
	if f.Rate != nil {
		l.Fetch.PerSecond, l.Fetch.Burst = f.Rate.PerSecond, f.Rate.Burst
	}
	if env.log != nil {
		l.Log = env.log
	}
	return l
}

// orUnset is a duration whose absence the pipeline fills in.
func orUnset(d *caddy.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

// fingerprint tells two feeds apart without showing what was expanded.
func (f *LiveFeed) fingerprint(whole any) string {
	b, err := json.Marshal(whole)
	if err != nil { // texts, numbers and switches always marshal
		return f.secrets
	}
	return f.secrets + string(b)
}

// named is the source of a feed's trades.
func (f *LiveFeed) named(kind string) string {
	if f.Source == "" {
		return kind
	}
	return f.Source
}
