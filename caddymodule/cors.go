package caddymodule

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// exposedHeaders are those that a page on another origin may read.
const exposedHeaders = "ETag, Link, Kline-Position, Retry-After, RateLimit, X-Data-Source, X-Data-Missing"

// origins is an exact list of those origins whose pages may read answers.
type origins []string

// check refuses what no browser sends as Origin. A wildcard is not accepted:
// the routes may stand behind credentials.
func (o origins) check() error {
	for _, s := range o {
		u, err := url.Parse(s)
		ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
			u.String() == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && !strings.Contains(s, "*")
		if !ok {
			return fmt.Errorf("checking allow_origin: %q is not an origin such as https://charts.example.com", cut(s))
		}
		if at := u.Scheme + ":" + u.Port(); at == "http:80" || at == "https:443" {
			return fmt.Errorf("checking allow_origin: %q is never sent: browsers leave the port %s of %s out", cut(s), u.Port(), u.Scheme)
		}
	}
	return nil
}

// apply sets the CORS headers of an answer. It reports true when the request
// was a preflight and has been answered.
func (o origins) apply(w http.ResponseWriter, r *http.Request) bool {
	return o.applyFor(w, r, "GET, HEAD", "Authorization, Last-Event-ID")
}

// applyFor is apply for routes with further methods and request headers.
func (o origins) applyFor(w http.ResponseWriter, r *http.Request, methods, headers string) bool {
	if len(o) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(o, origin) {
		return false
	}
	// The value comes from the configured list, not from the request.
	h.Set("Access-Control-Allow-Origin", o[slices.Index(o, origin)])
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", headers)
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
