package caddymodule

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
)

// request is what a route is asked.
type request struct {
	r     *http.Request
	query url.Values
	name  string // of /v1/indicators/{name}
	match string // If-None-Match
	held  *share // of the bytes of large answers
}

// only refuses parameters that the route does not have, and those given twice: of two
// versions to delete, the first went.
func (q *request) only(allowed ...string) error {
	for name, values := range q.query {
		switch {
		case !slices.Contains(allowed, name):
			return &problem{
				code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter",
				detail: "the parameter is unknown here", param: cut(name), allowed: allowed,
			}
		case len(values) > 1:
			return &problem{
				code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter",
				detail: "the parameter is given twice", param: name, value: cut(values[1]),
			}
		}
	}
	return nil
}

// reply is an answer before it is written.
type reply struct {
	status  int // 0 = 200
	answer  serve.Answer
	control string     // Cache-Control; empty = by the answer
	source  string     // X-Data-Source; empty = none
	path    string     // of the link to the next page
	query   url.Values // of the same
}

// fromHub is the reply for an answer of the hub.
func fromHub(a serve.Answer) *reply {
	return &reply{answer: a, source: cmp.Or(a.Source(), "memory")}
}

// paged adds the link to the next page. Path and query are the parsed ones,
// encoded anew: no byte of the request gets into a header as it came.
func (p *reply) paged(q *request) *reply {
	p.path, p.query = publicPath(q.r), q.query
	return p
}

// waiting is how many bytes are kept until the client has read them.
func (p *reply) waiting(r *http.Request) int {
	if p.answer.NotModified || r.Method == http.MethodHead {
		return 0
	}
	return cap(p.answer.Body)
}

// write sends the reply and returns its status.
func (p *reply) write(w http.ResponseWriter, r *http.Request, c clock.Clock) int {
	a := &p.answer
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", p.control)
	if p.control == "" {
		h.Set("Cache-Control", a.Cache.Control())
	}
	for name, value := range map[string]string{"ETag": a.ETag, "Kline-Position": a.Position, "X-Data-Source": p.source, "X-Data-Missing": a.MissingText()} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if a.HasNext && p.query != nil {
		p.query.Set("from", strconv.FormatInt(a.Next, 10))
		h.Set("Link", "<"+p.path+"?"+p.query.Encode()+`>; rel="next"`)
	}
	if a.NotModified {
		w.WriteHeader(http.StatusNotModified)
		return http.StatusNotModified
	}
	h.Set("Content-Type", a.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	status := max(p.status, http.StatusOK)
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		writeBody(w, r, c, a.Body)
	}
	return status
}
