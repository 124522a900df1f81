package caddymodule

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	// tokenVariable is where commands find the secret. A secret in an argument
	// would be readable by every process of the machine.
	tokenVariable = "KLINE_TOKEN"

	maxAnswer   = 4 << 20 // bytes
	maxToken    = 64 << 10
	pushTimeout = 2 * time.Minute
)

// moduleClient talks to the routes of kline_indicators.
type moduleClient struct {
	base   *url.URL
	user   string
	secret secret
	client *http.Client

	signature string // of the module that is sent; empty for none
}

// clientFlags adds the flags by which a command finds the routes.
func clientFlags(cmd *cobra.Command) {
	cmd.Flags().String("url", "", "Base address of the site with kline_indicators, such as https://charts.example.com")
	cmd.Flags().StringP("user", "u", "", "User for basic authentication; without it the secret is sent as a bearer token")
	cmd.Flags().String("token-file", "", "File that holds the password or token, instead of the environment variable "+tokenVariable)
}

func newModuleClient(fl caddycmd.Flags) (*moduleClient, error) {
	c := &moduleClient{user: fl.String("user"), client: &http.Client{
		Timeout: pushTimeout,
		// A redirect could lead the secret to another host, and makes a GET of a PUT.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var err error
	if c.base, err = baseAddress(fl.String("url")); err != nil {
		return nil, err
	}
	if c.secret, err = tokenOf(fl.String("token-file")); err != nil {
		return nil, err
	}
	if c.user != "" && c.secret.reveal() == "" {
		return nil, fmt.Errorf("checking --user: there is no password: set %s or name a file with --token-file", tokenVariable)
	}
	return c, nil
}

// baseAddress reads --url.
func baseAddress(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("checking --url: it is required, such as --url https://charts.example.com")
	}
	u, ok := webAddress(s)
	if !ok {
		return nil, fmt.Errorf("checking --url: %q is not an address such as https://charts.example.com", cut(s))
	}
	if u.User != nil {
		return nil, fmt.Errorf("checking --url: it must not hold a password: use --user, and %s or --token-file", tokenVariable)
	}
	return u, nil
}

// webAddress reads an address that paths are put behind.
func webAddress(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, false
	}
	return u, true
}

// tokenOf reads the secret from a file or from the environment.
func tokenOf(file string) (secret, error) {
	if file == "" {
		return newSecret(os.Getenv(tokenVariable)), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return secret{}, fmt.Errorf("reading --token-file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxToken))
	if err != nil {
		return secret{}, fmt.Errorf("reading --token-file: %w", err)
	}
	token := strings.TrimRight(string(b), "\r\n")
	if token == "" {
		return secret{}, errors.New("reading --token-file: the file is empty")
	}
	return newSecret(token), nil
}

// clear tells whether the secret would cross a network unencrypted.
func (c *moduleClient) clear() bool {
	host := c.base.Hostname()
	ip := net.ParseIP(host)
	local := host == "localhost" || ip != nil && ip.IsLoopback()
	return c.base.Scheme == "http" && !local && c.secret.reveal() != ""
}

// do sends a request and returns status and body.
func (c *moduleClient) do(ctx context.Context, method, path, query string, body []byte, contentType string) (int, []byte, error) {
	u := c.base.JoinPath(path)
	u.RawQuery = query
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("asking %s: %w", c.base, err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.signature != "" {
		req.Header.Set(signatureHeader, base64.StdEncoding.EncodeToString([]byte(c.signature)))
	}
	switch s := c.secret.reveal(); {
	case c.user != "":
		req.SetBasicAuth(c.user, s)
	case s != "":
		req.Header.Set("Authorization", "Bearer "+s)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("asking %s: is Caddy running there? %w", c.base, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	return resp.StatusCode, answer, nil
}

// isMounted follows what a server without the routes has answered.
const isMounted = ": is kline_indicators mounted below this address?"

// answerError says in words what a refusal means. It prints only what the
// problem format holds: another server's page is not for a terminal.
func answerError(out io.Writer, status int, body []byte) error {
	var p problemBody
	if json.Unmarshal(body, &p) != nil || !strings.HasPrefix(p.Type, problemPrefix) {
		hint := ""
		switch status {
		case http.StatusUnauthorized:
			hint = ": the user or its secret is not known there; set --user, and " + tokenVariable + " or --token-file"
		case http.StatusNotFound, http.StatusMethodNotAllowed:
			hint = isMounted
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			hint = ": it redirects, which is not followed with a secret: name the address it leads to, such as one with https, in --url"
		}
		return fmt.Errorf("the server answered with status %d%s", status, hint)
	}
	printFindings(out, p.Findings)
	text := plain(p.Title)
	switch code := strings.TrimPrefix(p.Type, problemPrefix); {
	case p.Detail != "":
		text += ": " + plain(p.Detail)
	case code == "unknown-route" || code == "method-not-allowed": // of klines, or of the page
		text += isMounted
	}
	return fmt.Errorf("refused with status %d: %s", status, text)
}

// printFindings writes one line for each.
func printFindings(out io.Writer, findings []registry.Finding) {
	for _, f := range findings {
		where := f.Stage
		if f.Check != "" {
			where = f.Check
		}
		if f.Offset > 0 {
			where = fmt.Sprintf("%s, offset %#x", where, f.Offset)
		}
		if f.Bar > 0 {
			where = fmt.Sprintf("%s, bar %d", where, f.Bar)
		}
		fmt.Fprintf(out, "%s: %s (%s): %s\n", plain(f.Severity), plain(f.Code), plain(where), plain(f.Message))
	}
}

// plain is foreign text without what moves a terminal's cursor, or turns the order
// of what is shown.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return '?'
		}
		return r
	}, s)
}
