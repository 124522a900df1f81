package caddymodule

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// problemPrefix is in front of each code in the member "type".
const problemPrefix = "urn:caddy-kline:problem:"

// problem is an answer that is not the one the client asked for (RFC 9457).
// Its texts are fixed, except for the value, which is the client's own, cut.
type problem struct {
	code    string
	status  int
	title   string
	detail  string
	param   string
	value   string
	allowed []string
	limit   int64
	// retryAfter is the value of the header in seconds; 0 sends none.
	retryAfter int
	// findings are why a module was refused.
	findings []registry.Finding
}

// Error makes a problem usable as an error inside the handlers.
func (p *problem) Error() string {
	if p.detail == "" {
		return p.title
	}
	return p.title + ": " + p.detail
}

// problemBody is the JSON of a problem.
type problemBody struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty"`
	Instance string   `json:"instance,omitempty"`
	Param    string   `json:"param,omitempty"`
	Value    string   `json:"value,omitempty"`
	Allowed  []string `json:"allowed,omitempty"`
	Limit    int64    `json:"limit,omitempty"`

	Findings []registry.Finding `json:"findings,omitempty"`
}

// write sends the problem. HEAD gets the header alone.
func (p *problem) write(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(problemBody{
		Type: problemPrefix + p.code, Title: p.title, Status: p.status, Detail: p.detail,
		Instance: requestID(r), Param: p.param, Value: cut(p.value), Allowed: p.allowed, Limit: p.limit, Findings: p.findings,
	})
	if err != nil { // strings and a number always marshal
		body = []byte(`{}`)
	}
	h := w.Header()
	h.Del("ETag")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.status == http.StatusMethodNotAllowed {
		h.Set("Allow", strings.Join(p.allowed, ", "))
	}
	w.WriteHeader(p.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client is gone: nobody to tell
	}
}

// requestID is the id that Caddy also writes into its logs. The name of the
// placeholder is fixed; nothing of the request is expanded.
func requestID(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	id, _ := repl.GetString("http.request.uuid")
	return id
}

// fromServe is a problem that the reading of a query found.
func fromServe(p *serve.Problem) *problem {
	return &problem{
		code: p.Code, status: p.Status, title: p.Title(), detail: p.Detail,
		param: p.Param, value: p.Value, allowed: p.Allowed, limit: p.Limit, retryAfter: p.RetryAfter,
	}
}

func badQuery() *problem {
	return &problem{
		code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter",
		detail: "the query cannot be read: percent signs and semicolons have to be escaped",
	}
}

func badEventID(id string) *problem {
	return &problem{
		code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter", param: "Last-Event-ID",
		value: id, detail: "the event id is longer than 1 KiB or has characters that no id has", limit: 1024,
	}
}

func queryTooLong(limit int) *problem {
	return &problem{
		code: "query-too-long", status: http.StatusBadRequest, title: "Query too long",
		detail: "the query has more than " + strconv.Itoa(limit) + " bytes", limit: int64(limit),
	}
}

func unknownRoute(path string) *problem {
	return &problem{code: "unknown-route", status: http.StatusNotFound, title: "Unknown route", value: path}
}

func methodNotAllowed(method string, allowed ...string) *problem {
	return &problem{
		code: "method-not-allowed", status: http.StatusMethodNotAllowed, title: "Method not allowed",
		value: method, allowed: allowed,
	}
}

func rateLimited(retryAfter int) *problem {
	return &problem{
		code: "rate-limited", status: http.StatusTooManyRequests, title: "Too many requests",
		retryAfter: max(1, retryAfter),
	}
}

func tooManyStreams(detail string) *problem {
	return &problem{
		code: "too-many-streams", status: http.StatusTooManyRequests, title: "Too many streams",
		detail: detail, retryAfter: 30,
	}
}

// starting is answered until the view was loaded once in this process.
func starting() *problem {
	return &problem{
		code: "starting", status: http.StatusServiceUnavailable, title: "Starting",
		detail: "the bars are being loaded from the log", retryAfter: 1,
	}
}

// internalError tells nothing: the cause goes to the log under the request id.
func internalError() *problem {
	return &problem{code: "internal", status: http.StatusInternalServerError, title: "Internal error"}
}
