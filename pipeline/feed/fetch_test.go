package feed

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func fetches(t *testing.T, base string, change func(*FetchConfig)) *fetcher {
	t.Helper()
	c := Live{SourceName: "x", Format: adapter.Format{Preset: "binance"}, Symbols: []string{"A"}, Fetch: FetchConfig{Base: base, Timeout: time.Minute, PerSecond: 1e6, Burst: 1000, Retries: 1}}
	if change != nil {
		change(&c.Fetch)
	}
	l, err := newLive(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Fetch.complete(""); err != nil {
		t.Fatal(err)
	}
	f, err := newFetcher(l, NewMemory(clock.Real()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.proxies.close)
	return f
}

func reason(err error) string {
	fe := new(fetchError)
	if errors.As(err, &fe) {
		return fe.reason
	}
	return ""
}

func TestAddressesThatAreNotPublic_E12(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "fe80::1": false,
		"fc00::1": false, "100.64.0.1": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "255.255.255.255": false, "::ffff:127.0.0.1": false,
		"::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "198.18.0.1": false, "192.0.2.1": false, "240.0.0.1": false,
		"1.1.1.1": true, "8.8.8.8": true, "2606:4700:4700::1111": true,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestRedirectsLeadToNoPrivateAddress_E12(t *testing.T) {
	var reached atomic.Int32
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer private.Close()
	// A name that resolves to a private address when it is dialled.
	_, port, _ := net.SplitHostPort(private.Listener.Addr().String())
	for _, target := range []string{private.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port} {
		for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, status) }))
			for _, follow := range []bool{false, true} {
				f := fetches(t, site.URL, func(c *FetchConfig) { c.FollowRedirects = follow })
				if _, err := f.get(t.Context(), site.URL); reason(err) != reasonRedirect {
					t.Errorf("%d to %s, follow %v: %v", status, target, follow, err)
				}
			}
			site.Close()
		}
	}
	if reached.Load() != 0 {
		t.Error("a redirect reached a private address")
	}
}

func TestRedirectsOfTheSameHostAreFollowedIfAllowed(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/there" {
			_, _ = w.Write([]byte("[]"))
			return
		}
		http.Redirect(w, r, "/there", http.StatusMovedPermanently)
	}))
	defer site.Close()
	if a, err := fetches(t, site.URL, func(c *FetchConfig) { c.FollowRedirects = true }).get(t.Context(), site.URL); err != nil || string(a.body) != "[]" {
		t.Errorf("%q, %v", a.body, err)
	}
}

// What a redirect led to is "nothing new" only once it was delivered, too: a trade that
// was held back would else wait for the next one of the venue.
func TestAnAnswerBehindARedirectIsForgotten(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/there":
			http.Redirect(w, r, "/there", http.StatusMovedPermanently)
		case r.Header.Get("If-None-Match") == `"tag"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", `"tag"`)
			_, _ = w.Write([]byte("[]"))
		}
	}))
	defer site.Close()
	f := fetches(t, site.URL, func(c *FetchConfig) { c.FollowRedirects = true })
	for i, unchanged := range []bool{false, true} {
		if a, err := f.get(t.Context(), site.URL); err != nil || a.unchanged != unchanged {
			t.Fatalf("answer %d: unchanged %v, %v", i, a.unchanged, err)
		}
	}
	f.forget(site.URL)
	if a, err := f.get(t.Context(), site.URL); err != nil || a.unchanged {
		t.Errorf("what was not delivered is nothing new (%v)", err)
	}
}

func TestADecompressionBombIsRefused_E08(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 64<<20))
	_ = z.Close()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	defer site.Close()
	f := fetches(t, site.URL, func(c *FetchConfig) { c.MaxBody = 1 << 20 })
	if _, err := f.get(t.Context(), site.URL); reason(err) != reasonTooLarge {
		t.Errorf("%v", err)
	}
}

func TestAFailingProxyRestsAndTheOthersAreAsked(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }))
	defer site.Close()
	var through atomic.Int32
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through.Add(1)
		resp, err := http.Get(r.URL.String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = w.Write([]byte("[]"))
	}))
	defer good.Close()
	// It hangs up. A port that nobody listens on would be somebody else's before long.
	bad := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer bad.Close()
	var list []*url.URL
	for _, s := range []string{strings.Replace(bad.URL, "http://", "http://user:canary@", 1), good.URL} {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, u)
	}
	c := newCounts()
	f := fetches(t, site.URL, func(cfg *FetchConfig) { cfg.Proxies = list; cfg.Retries = 2 })
	f.observe, f.proxies.clock = c, clock.NewFake(time.Unix(1000, 0)) // its rest is not over before the last request
	for range 6 {
		if _, err := f.get(t.Context(), site.URL); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.of(c.errors, reasonProxy); got != 1 || through.Load() != 6 {
		t.Errorf("%d failures of a proxy that rests, %d requests through the other", got, through.Load())
	}
	f = fetches(t, site.URL, func(cfg *FetchConfig) { cfg.Proxies = list[:1]; cfg.Retries = 0 })
	if _, err := f.get(t.Context(), site.URL); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error of a proxy: %v", err)
	}
}

// A request that ends with the lock of its symbol says nothing about the way that it
// took: with one proxy the whole feed would stand still while that rests.
func TestAProxyDoesNotRestForALockThatEnds(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	asked := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer slow.Close()
	u, err := url.Parse(slow.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := fetches(t, "http://venue.invalid", func(cfg *FetchConfig) { cfg.Proxies = []*url.URL{u} })
	f.proxies.clock = clock.NewFake(time.Unix(1000, 0))    // its rest would not be over
	go func() { <-asked; end(context.DeadlineExceeded) }() // as its time being over does
	if _, err := f.get(ctx, "http://venue.invalid"); err == nil {
		t.Fatal("a lock ended, and there is an answer")
	}
	if _, _, err := f.proxies.next(); err != nil {
		t.Error(err)
	}
}

func TestErrorsNameNoAddressInFull(t *testing.T) {
	f := fetches(t, "http://127.0.0.1:1/?apikey=canary", nil)
	if _, err := f.get(t.Context(), "http://127.0.0.1:1/?apikey=canary"); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("%v", err)
	}
}

func TestRetryAfterIsReadAsSecondsAndAsADate(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": time.Second, "": defaultRetryAfter, "soon": defaultRetryAfter, "-1": maxRetryAfter, "999999999999": maxRetryAfter,
		"Thu, 01 Jan 2026 00:00:09 GMT": 9 * time.Second, "Thu, 01 Jan 2025 00:00:09 GMT": time.Second,
	} {
		if got := retryAfter(&http.Response{Header: http.Header{"Retry-After": {value}}}, now); got != want {
			t.Errorf("%q: %s", value, got)
		}
	}
}

func TestAThrottledVenueIsAskedByNobodyUntilItsTime(t *testing.T) {
	c := clock.NewFake(time.Unix(1000, 0))
	m := NewMemory(c)
	if err := m.Pause(t.Context(), "v", 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	c.Advance(100 * time.Millisecond)
	if wait, _ := m.Take(t.Context(), "v", 100, 10); wait != 200*time.Millisecond {
		t.Errorf("waits %s", wait)
	}
	if wait, _ := m.Take(t.Context(), "w", 100, 10); wait != 0 {
		t.Errorf("another venue waits %s", wait)
	}
}

func TestTheBreakerLetsOneProbeThrough(t *testing.T) {
	c := clock.NewFake(time.Unix(1000, 0))
	b := &breaker{clock: c}
	bad := &fetchError{retry: true, err: errors.New("x")}
	for range breakAfter - 1 {
		b.saw(bad)
	}
	if b.wait() != 0 {
		t.Fatal("open too early")
	}
	b.saw(bad)
	if b.wait() == 0 {
		t.Fatal("closed after all failures")
	}
	c.Advance(2 * time.Second)
	if b.wait() != 0 || !b.enter() || b.wait() == 0 {
		t.Fatal("not exactly one probe")
	}
	b.saw(nil)
	for range 2 {
		if b.wait() != 0 {
			t.Error("open after a success")
		}
	}
}

func TestAKeyGoesToTheVenueAlone(t *testing.T) {
	got := make(chan string, 2)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Key")
		_, _ = w.Write([]byte("[]"))
	}))
	defer site.Close()
	f := fetches(t, site.URL, func(c *FetchConfig) { c.Headers = map[string]func() string{"X-Key": func() string { return "s" }} })
	resp, err := f.ask(context.Background(), f.proxies.direct, site.URL, site.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp, err = f.ask(context.Background(), f.proxies.direct, site.URL, site.URL, false); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if a, b := <-got, <-got; a != "s" || b != "" {
		t.Errorf("%q and, elsewhere, %q", a, b)
	}
}
