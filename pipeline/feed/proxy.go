package feed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

const (
	firstRest = 5 * time.Second
	maxRest   = 5 * time.Minute
)

// proxy is one of several ways to a venue.
type proxy struct {
	name   string // host and port: a password may stand before them
	client *http.Client
	// rest and until are under the lock of proxies.
	rest  time.Duration
	until time.Time
}

// proxies are asked in turn; one that fails rests, each time twice as long.
type proxies struct {
	clock  clock.Clock
	direct *http.Client
	// guarded goes to public addresses alone: where a venue redirects to.
	guarded *http.Client

	mu   sync.Mutex // protects the rest
	list []*proxy
	at   int
}

func newProxies(list []*url.URL, timeout time.Duration, c clock.Clock) *proxies {
	p := &proxies{
		clock:   c,
		direct:  client(http.ProxyFromEnvironment, &net.Dialer{Timeout: timeout}),
		guarded: client(nil, &net.Dialer{Timeout: timeout, ControlContext: publicOnly}),
	}
	for _, u := range list {
		p.list = append(p.list, &proxy{name: u.Host, client: client(http.ProxyURL(u), &net.Dialer{Timeout: timeout})})
	}
	return p
}

// client follows no redirect on its own and decompresses nothing on its own.
func client(via func(*http.Request) (*url.URL, error), dialer *net.Dialer) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: via, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// next is the proxy whose turn it is, nil without any.
func (p *proxies) next() (*proxy, *http.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == 0 {
		return nil, p.direct, nil
	}
	now := p.clock.Now()
	for range p.list {
		one := p.list[p.at]
		p.at = (p.at + 1) % len(p.list)
		if !now.Before(one.until) {
			return one, one.client, nil
		}
	}
	return nil, nil, fmt.Errorf("all %d proxies failed and rest", len(p.list))
}

func (p *proxies) failed(one *proxy) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one.rest = min(max(2*one.rest, firstRest), maxRest)
	one.until = p.clock.Now().Add(one.rest)
}

func (p *proxies) worked(one *proxy) {
	if one == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one.rest, one.until = 0, time.Time{}
}

// environmentProxy reports whether the environment names a proxy for an address.
func environmentProxy(to *url.URL) bool {
	u, err := http.ProxyFromEnvironment(&http.Request{URL: to})
	return err != nil || u != nil
}

// close gives idle connections back.
func (p *proxies) close() {
	p.direct.CloseIdleConnections()
	p.guarded.CloseIdleConnections()
	for _, one := range p.list {
		one.client.CloseIdleConnections()
	}
}

// errPrivate refuses an address that is not on the public internet.
var errPrivate = errors.New("the address is not public: a redirect may not lead there")

// publicOnly looks at the address that is really dialled, after the name was
// resolved: a name that changes its mind between check and use is of no help.
func publicOnly(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !public(to.Addr()) {
		return errPrivate
	}
	return nil
}

// public reports whether an address is of the public internet: not loopback,
// link-local (where clouds keep their metadata), private, shared, multicast,
// documentation, and no IPv4 in disguise of one of them.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range reserved() {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// reserved are the special ranges (IANA registries of RFC 6890) that the
// methods of netip do not know, and those that carry IPv4 addresses inside.
func reserved() []netip.Prefix {
	texts := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	}
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}
