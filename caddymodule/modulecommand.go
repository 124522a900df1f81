package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// maxCommand bounds the body of a request that is not a module, in bytes.
const maxCommand = 1 << 10

// commandTime is how long a client may take to send such a body.
const commandTime = 10 * time.Second

// takeBody reads the body of a request that is not a module before it is answered:
// whoever announces one and never sends it would keep a request for good, also one
// whose route has no use for a body, since the server waits for it.
func (u *Uploads) takeBody(q *moduleRequest, route moduleRoute) *problem {
	if q.safe() || route.action == actionUpload || q.r.ContentLength == 0 {
		return nil
	}
	control := http.NewResponseController(q.w)
	_ = control.SetReadDeadline(u.engine.clock.Now().Add(commandTime)) // of a test's recorder: nothing to bound
	body, err := io.ReadAll(io.LimitReader(q.r.Body, maxCommand+1))
	_ = control.SetReadDeadline(time.Time{}) // it would end the request later on
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p := problemOf(registry.TooSlow)
		p.detail = "the body did not come within " + commandTime.String()
		return p
	case err != nil:
		p := problemOf(registry.Incomplete)
		p.detail = "the body broke off"
		return p
	case len(body) > maxCommand:
		return &problem{code: "bad-body", status: http.StatusBadRequest, title: "Bad body", detail: "the body has at most " + strconv.Itoa(maxCommand) + " bytes"}
	}
	q.r.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// readCommand reads {"version":"1.0.0","now":true}, strictly: a key that stands
// twice would mean one thing to us and another to a filter in front of us.
func readCommand(r *http.Request) (version string, now bool, p *problem) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return "", false, unsupportedType("the body is sent with Content-Type: application/json", "application/json")
	}
	bad := &problem{
		code: "bad-body", status: http.StatusBadRequest, title: "Bad body",
		detail: `the body is a JSON object such as {"version":"1.0.0","now":true}; now may be left out`, allowed: []string{"version", "now"},
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, maxCommand))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return "", false, bad
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		name, _ := key.(string)
		if err != nil || seen[name] {
			return "", false, bad
		}
		seen[name] = true
		switch name {
		case "version":
			err = dec.Decode(&version)
		case "now":
			err = dec.Decode(&now)
		default:
			return "", false, bad
		}
		if err != nil {
			return "", false, bad
		}
	}
	if _, err := dec.Token(); err != nil {
		return "", false, bad
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "", false, bad
	}
	if !registry.ValidVersion(version) {
		return "", false, badVersion(version)
	}
	return version, now, nil
}

// readLeft reads {"version":"1.0.1"}, the version that shall not be active any
// more; without a body it is whichever is.
func readLeft(r *http.Request) (string, *problem) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxCommand+1))
	if err == nil && len(body) == 0 {
		return "", nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	version, now, p := readCommand(r)
	if p == nil && now {
		p = &problem{code: "bad-body", status: http.StatusBadRequest, title: "Bad body", detail: "a rollback takes effect at the next bar: it has no now", allowed: []string{"version"}}
	}
	return version, p
}

// zeroOrOne reads a parameter that is 0, 1 or absent.
func zeroOrOne(query map[string][]string, name string) (bool, *problem) {
	v, ok := query[name]
	if !ok || len(v) == 1 && v[0] == "0" {
		return false, nil
	}
	if len(v) == 1 && v[0] == "1" {
		return true, nil
	}
	return false, &problem{
		code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter", param: name, value: v[0],
		detail: "the parameter is 0 or 1", allowed: []string{"0", "1"},
	}
}

func unsupportedType(detail string, allowed ...string) *problem {
	return &problem{code: "unsupported-type", status: http.StatusUnsupportedMediaType, title: "Unsupported media type", detail: detail, allowed: allowed}
}
