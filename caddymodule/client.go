package caddymodule

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// userID is what an authentication handler in front of us has set. The name of
// the placeholder is fixed: building one from input, or expanding input, would
// hand out environment variables and files.
func userID(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	id, _ := repl.GetString("http.auth.user.id")
	return id
}

// clientIP is the address behind Caddy's trusted proxies, never a header of the
// request itself.
func clientIP(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok && ip != "" {
		return ip
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// limitedAddress is the address that a limit counts. Of an IPv6 address it is the
// /64, the least that a customer is given: counted one by one, whoever has a
// network of his own would get past every limit by taking the next address.
func limitedAddress(r *http.Request) string {
	ip := clientIP(r)
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}

// clientKey is whom a limit counts: the user if there is one, else the address.
// The first byte keeps a user who is named like an address apart from it.
func clientKey(r *http.Request) string {
	if u := userID(r); u != "" {
		return "u" + u
	}
	return "i" + limitedAddress(r)
}

// queryOf parses the query strictly.
func queryOf(r *http.Request, limit int) (url.Values, *problem) {
	if len(r.URL.RawQuery) > limit {
		return nil, queryTooLong(limit)
	}
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badQuery()
	}
	return v, nil
}
