package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// errAddress does not quote the address: variables such as REDIS_URL hold a
// password.
var errAddress = errors.New("a URL, or a user before an @, is not host:port: write the host and its port alone, user and password have words of their own")

// hostPort checks an address that will be dialled and adds the default port.
func hostPort(addr, defaultPort string) (string, error) {
	if strings.ContainsAny(addr, "@?") || strings.Contains(addr, "://") {
		return "", errAddress
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, defaultPort
	}
	// A URL would be looked up as the name of a host, again and again.
	if _, ip := netip.ParseAddr(host); port == "" || ip != nil && strings.ContainsAny(host, ":/?#@[]\\ \t") {
		return "", fmt.Errorf("%q is not host:port", cut(addr))
	}
	if host == "" {
		return "", fmt.Errorf("%q names no host", cut(addr))
	}
	if _, err := parseCount(port, 1, 65535); err != nil {
		return "", fmt.Errorf("port of %q: %w", cut(addr), err)
	}
	return net.JoinHostPort(host, port), nil
}
