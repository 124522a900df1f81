package caddymodule

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// publicPath is the path as the client wrote it where a handle_path or uri
// strip_prefix before us has taken its beginning away, else that of the request.
func publicPath(r *http.Request) string {
	u := url.URL{Path: r.URL.Path}
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if ok && original.URL != nil && strings.HasSuffix(original.URL.Path, r.URL.Path) {
		u.Path = original.URL.Path
	}
	return u.EscapedPath()
}

// publicPrefix is what was taken away of it.
func publicPrefix(r *http.Request) string {
	own := url.URL{Path: r.URL.Path}
	return strings.TrimSuffix(publicPath(r), own.EscapedPath())
}

// matchedPath is the path as Caddy's matchers see it: they overlook case, doubled
// slashes and dots. What comes to a handler by such a path and is no route of it
// has to be refused: the next handler may be none, and Caddy then answers 200
// with nothing in it, also to trades that nobody has taken.
func matchedPath(p string) string { return strings.ToLower(path.Clean(p)) }

// ownLinks are the links of a body. No text of a user can look like one: its
// quotes are escaped.
var ownLinks = regexp.MustCompile(`"links":\{"[a-z]+":"`)

// linksBelow puts prefix, an escaped path, before the links of a JSON body: a
// client follows them as they stand.
func linksBelow(prefix string, body []byte) []byte {
	if prefix == "" {
		return body
	}
	return ownLinks.ReplaceAllFunc(body, func(link []byte) []byte { return slices.Concat(link, []byte(prefix)) })
}
