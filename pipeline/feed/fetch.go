package feed

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// FetchConfig is how venues are asked over HTTP.
type FetchConfig struct {
	// Base is the address of the venue, or the template of the generic preset.
	// Default: that of the preset.
	Base string
	// Headers are sent with each request to the host of Base, and to no other.
	Headers map[string]func() string
	// Proxies are asked in turn; http, https and socks5. Default: those of the
	// environment.
	Proxies []*url.URL
	// Timeout of one request, to the last byte. Default: 3 s.
	Timeout time.Duration
	// MaxBody bounds an answer, before and after decompression. Default: 8 MiB.
	MaxBody int64
	// Retries is how often a question is asked again before the feed waits for
	// its next turn. Default: 3.
	Retries int
	// PerSecond and Burst bound the requests to a venue, of all nodes. Default:
	// 10 and 20.
	PerSecond float64
	Burst     int
	// FollowRedirects allows up to three, to public addresses alone.
	FollowRedirects bool
}

// answer is what a venue says.
type answer struct {
	body []byte
	// unchanged tells that nothing is new since the answer before (304).
	unchanged bool
}

// fetchError is a failure with its reason for the counter. Its text names hosts,
// never a whole address: that may hold a key.
type fetchError struct {
	reason string
	retry  bool
	after  time.Duration // the venue's own word on when
	err    error
}

// Error tells what happened.
func (e *fetchError) Error() string { return e.err.Error() }

// Unwrap gives the cause.
func (e *fetchError) Unwrap() error { return e.err }

// fetcher asks one venue. It is safe for concurrent use.
type fetcher struct {
	cfg     FetchConfig
	source  string
	host    string // of the venue, the name of its limit
	clock   clock.Clock
	shared  Shared
	observe Observer
	proxies *proxies
	breaker *breaker

	mu   sync.Mutex            // protects tags
	tags map[string]validators // by the address that was asked for
}

// validators are what makes the next request for an address conditional. at is where
// they come from: behind a redirect another one than was asked for.
type validators struct{ at, etag, modified string }

// maxTags bounds the validators that are remembered.
const maxTags = 2 * MaxSymbols

func (c *FetchConfig) complete(base string) error {
	if c.Base == "" {
		c.Base = base
	}
	setDefault(&c.Timeout, 3*time.Second)
	setDefault(&c.MaxBody, 8<<20)
	setDefault(&c.Retries, 3)
	setDefault(&c.PerSecond, 10)
	setDefault(&c.Burst, 20)
	if c.Timeout < 0 || c.MaxBody < 0 || c.Retries < 0 || !(c.PerSecond > 0) || c.Burst < 1 {
		return errors.New("configuring a feed: timeout, max_body, retries and rate must not be negative")
	}
	if c.Base == "" {
		return nil
	}
	u, err := url.Parse(strings.NewReplacer("<", "", ">", "").Replace(c.Base))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("configuring a feed: the url is no address that begins with http:// or https://")
	}
	return nil
}

// newFetcher makes a fetcher of a completed config with a Base.
func newFetcher(l *live, shared Shared) (*fetcher, error) {
	u, err := url.Parse(strings.NewReplacer("<", "", ">", "").Replace(l.Fetch.Base))
	if err != nil {
		return nil, errors.New("configuring a feed: the url cannot be read")
	}
	return &fetcher{
		cfg: l.Fetch, source: l.SourceName, host: u.Host, clock: l.Clock, shared: shared, observe: l.Observer,
		proxies: newProxies(l.Fetch.Proxies, l.Fetch.Timeout, l.Clock), breaker: &breaker{clock: l.Clock}, tags: map[string]validators{},
	}, nil
}

// get asks until it has an answer, the attempts are used up or ctx ends. Only
// what may have passed is asked again. When ctx ends the error is the venue's
// last failure, if there is one: what only says that the time was over would
// hide a venue that throttles or hangs.
func (f *fetcher) get(ctx context.Context, address string) (answer, error) {
	var why error
	for n := 0; ; n++ {
		if f.admit(ctx) != nil {
			return answer{}, f.ended(ctx, why)
		}
		a, err := f.once(ctx, address)
		if err != nil && ctx.Err() != nil {
			return answer{}, f.ended(ctx, why) // this attempt was ended by us: the venue has not failed
		}
		f.breaker.saw(err)
		if err == nil {
			return a, nil
		}
		fe := new(fetchError)
		if !errors.As(err, &fe) {
			return answer{}, err
		}
		why = err
		f.observe.FeedError(f.source, fe.reason)
		if fe.after > 0 {
			_ = f.shared.Pause(ctx, f.host, fe.after) // the wait below holds for this node anyway
		}
		if !fe.retry || n >= f.cfg.Retries {
			return answer{}, err
		}
		if sleep(ctx, f.clock, max(fe.after, fullJitter(n, 250*time.Millisecond, 10*time.Second))) != nil {
			return answer{}, f.ended(ctx, why)
		}
	}
}

// ended is the error of a question whose time was over: that of its last
// attempt, or of the one that everybody waits for since.
func (f *fetcher) ended(ctx context.Context, why error) error {
	if why == nil {
		why = f.breaker.why()
	}
	if why == nil {
		why = ctx.Err()
	}
	return why
}

// admit waits for the breaker and for the limit that all nodes share. Without
// the lock store nobody counts, and this node's locks will end soon.
func (f *fetcher) admit(ctx context.Context) error {
	for {
		wait := f.breaker.wait()
		if wait == 0 {
			var err error
			if wait, err = f.shared.Take(ctx, f.host, f.cfg.PerSecond, f.cfg.Burst); err != nil {
				f.observe.FeedError(f.source, reasonLock)
				wait = time.Second
			}
			if wait == 0 && f.breaker.enter() {
				return nil
			}
		}
		if err := sleep(ctx, f.clock, wait+fullJitter(0, 10*time.Millisecond, time.Second)); err != nil {
			return err
		}
	}
}

// once sends one request, and what redirects it may.
func (f *fetcher) once(asking context.Context, address string) (answer, error) {
	ctx, cancel := context.WithTimeout(asking, f.cfg.Timeout)
	defer cancel()
	via, client, err := f.proxies.next()
	if err != nil {
		return answer{}, &fetchError{reason: reasonProxy, retry: true, err: err}
	}
	at, trusted := address, true
	for hops := 0; ; hops++ {
		resp, err := f.ask(ctx, client, address, at, trusted)
		if err != nil && asking.Err() != nil {
			return answer{}, f.failed(err, nil) // we have ended it: the way has not failed
		}
		if err != nil {
			return answer{}, f.failed(err, via)
		}
		if !redirects(resp.StatusCode) {
			a, err := f.read(resp, address, at)
			if err == nil {
				f.proxies.worked(via)
			}
			return a, err
		}
		target, err := f.follow(resp, hops, via)
		_ = resp.Body.Close() // nothing of a redirect is read
		if err != nil {
			return answer{}, &fetchError{reason: reasonRedirect, err: err}
		}
		at, trusted = target.String(), target.Host == f.host
		if !trusted {
			client = f.proxies.guarded
		}
	}
}

// redirects reports whether an answer sends us elsewhere. "Not modified" does
// not, and is an answer to a conditional request alone: to another one it would
// promise that nothing is new since nobody knows when.
func redirects(status int) bool {
	return status >= 300 && status < 400 && status != http.StatusNotModified
}

// ask sends a request to at for what address means.
func (f *fetcher) ask(ctx context.Context, client *http.Client, address, at string, trusted bool) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return nil, errors.New("the address cannot be read")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", "caddy-kline")
	if trusted {
		for name, value := range f.cfg.Headers {
			req.Header.Set(name, value())
		}
		f.mu.Lock()
		tags := f.tags[address]
		f.mu.Unlock()
		if tags.at != at {
			tags = validators{}
		}
		if tags.etag != "" {
			req.Header.Set("If-None-Match", tags.etag)
		}
		if tags.modified != "" {
			req.Header.Set("If-Modified-Since", tags.modified)
		}
	}
	return client.Do(req) //nolint:wrapcheck // failed strips the address
}

// follow says where a redirect may lead.
func (f *fetcher) follow(resp *http.Response, hops int, via *proxy) (*url.URL, error) {
	to, err := resp.Location()
	switch {
	case !f.cfg.FollowRedirects:
		return nil, fmt.Errorf("asking %s: it redirects, which is not followed (follow_redirects allows it)", f.host)
	case err != nil || to.Scheme != "https" && to.Scheme != resp.Request.URL.Scheme || to.User != nil:
		return nil, fmt.Errorf("asking %s: it redirects to an address that is not followed", f.host)
	case hops >= 3:
		return nil, fmt.Errorf("asking %s: it redirects more than three times", f.host)
	case to.Host != f.host && (via != nil || environmentProxy(to)):
		// The proxy would resolve the name: nobody could say what it reaches.
		return nil, fmt.Errorf("asking %s: it redirects to another host, which is not followed through a proxy", f.host)
	}
	return to, nil
}

// read takes the answer of at in, bounded before and after decompression.
func (f *fetcher) read(resp *http.Response, address, at string) (answer, error) {
	defer resp.Body.Close() //nolint:errcheck // what was read is complete or refused
	if asked := resp.Request.Header; resp.StatusCode == http.StatusNotModified && (asked.Get("If-None-Match") != "" || asked.Get("If-Modified-Since") != "") {
		return answer{unchanged: true}, nil
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, f.status(resp)
	}
	body, err := bounded(resp.Body, f.cfg.MaxBody)
	if err == nil && resp.Header.Get("Content-Encoding") == "gzip" {
		body, err = unzip(body, f.cfg.MaxBody)
	}
	if err != nil {
		return answer{}, f.failed(err, nil)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if tags := (validators{at, resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")}); tags.etag+tags.modified != "" {
		if len(f.tags) >= maxTags {
			clear(f.tags)
		}
		f.tags[address] = tags
	}
	return answer{body: body}, nil
}

// forget drops the validators of an address: what it answered was not delivered,
// so "nothing new" would be wrong.
func (f *fetcher) forget(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tags, address)
}

var errTooLarge = errors.New("the answer is too large")

func bounded(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooLarge
	}
	return b, err //nolint:wrapcheck // failed names the host
}

func unzip(b []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(strings.NewReader(string(b)))
	if err != nil {
		return nil, errBadGzip
	}
	out, err := bounded(z, limit)
	if err != nil && !errors.Is(err, errTooLarge) {
		return nil, errBadGzip
	}
	return out, err
}

var errBadGzip = errors.New("the answer says it is gzip and is not")

// status judges an answer that is none.
func (f *fetcher) status(resp *http.Response) error {
	e := &fetchError{reason: reasonStatus, err: fmt.Errorf("asking %s: status %d", f.host, resp.StatusCode)}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusTeapot:
		e.reason, e.retry, e.after = reasonThrottled, true, retryAfter(resp, f.clock.Now())
	case resp.StatusCode >= 500:
		e.retry, e.after = true, 0
		if resp.Header.Get("Retry-After") != "" {
			e.after = retryAfter(resp, f.clock.Now())
		}
	}
	return e
}

// failed gives a failure its reason. The library's text names the whole address,
// in which a key may stand: it is left out.
func (f *fetcher) failed(err error, via *proxy) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		err = ue.Err
	}
	e := &fetchError{reason: reasonConnect, retry: true, err: fmt.Errorf("asking %s: %w", f.host, err)}
	var network net.Error
	switch {
	case errors.Is(err, errTooLarge):
		e.reason, e.retry = reasonTooLarge, false
	case errors.Is(err, errBadGzip):
		e.reason = reasonAnswer
	case errors.Is(err, errPrivate):
		e.reason, e.retry = reasonRedirect, false
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout():
		e.reason = reasonTimeout
	}
	if via != nil && !errors.Is(err, context.Canceled) {
		f.proxies.failed(via)
		e.reason = reasonProxy
		e.err = fmt.Errorf("asking %s through the proxy %s: %w", f.host, via.name, err)
	}
	return e
}

var _ error = (*fetchError)(nil)
