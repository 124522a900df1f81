package serve

import (
	"encoding/json"
	"strconv"
)

// Codes of problems that reading a query can find. They end the type URN
// urn:caddy-kline:problem:<code>.
const (
	CodeBadParameter     = "bad-parameter"
	CodeUnknownInterval  = "unknown-interval"
	CodeBadSelection     = "bad-selection"
	CodeUnknownIndicator = "unknown-indicator"
	// CodeTooMany: no room for one more instance on demand; later there is.
	CodeTooMany = "too-many-indicators"
	// CodeHistoryAway: bars that only a database or the log holds, which does not
	// answer.
	CodeHistoryAway = "history-unavailable"
	// CodeTooSlow: an instance on demand could not be computed in time.
	CodeTooSlow = "indicator-too-slow"
	// CodeBusy: others ask for large answers already.
	CodeBusy = "busy"
)

// maxEcho is how much of a foreign value a problem repeats, in bytes.
const maxEcho = 64

// Problem says what is wrong with a request, in the fields of RFC 9457. It is an
// error; its text is the detail.
type Problem struct { //nolint:errname // the name the RFC gives it
	// Status is the HTTP status, 400, 404, 429 or 503.
	Status int
	// Code is one of the Code constants.
	Code string
	// Detail is a sentence for people.
	Detail string
	// Param and Value name the parameter and what it held, cut to 64 bytes.
	Param, Value string
	// Allowed lists what would have been accepted, if that is a closed set.
	Allowed []string
	// Limit is the bound that was exceeded, 0 = none.
	Limit int64
	// RetryAfter is when to try again, in seconds; 0 = nobody knows.
	RetryAfter int
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

// Title is the fixed text of the code.
func (p *Problem) Title() string {
	switch p.Code {
	case CodeUnknownInterval:
		return "Unknown interval"
	case CodeBadSelection:
		return "Bad selection"
	case CodeUnknownIndicator:
		return "Unknown indicator"
	case CodeUnknownBar:
		return "Unknown bar"
	case CodeTooMany:
		return "Too many indicators"
	case CodeHistoryAway:
		return "History unavailable"
	case CodeTooSlow:
		return "Indicator too slow"
	case CodeBusy:
		return "Busy"
	}
	return "Bad parameter"
}

// AppendJSON writes the application/problem+json document; instance is the
// request id.
func (p *Problem) AppendJSON(dst []byte, instance string) []byte {
	doc := struct {
		Type     string   `json:"type"`
		Title    string   `json:"title"`
		Status   int      `json:"status"`
		Detail   string   `json:"detail"`
		Instance string   `json:"instance,omitempty"`
		Param    string   `json:"param,omitempty"`
		Value    string   `json:"value,omitempty"`
		Allowed  []string `json:"allowed,omitempty"`
		Limit    int64    `json:"limit,omitempty"`
	}{"urn:caddy-kline:problem:" + p.Code, p.Title(), p.Status, p.Detail, instance, p.Param, p.Value, p.Allowed, p.Limit}
	b, err := json.Marshal(doc)
	if err != nil { // strings and integers always encode
		return append(dst, `{"title":"Bad request"}`...)
	}
	return append(dst, b...)
}

func badParam(param, value, detail string) *Problem {
	return &Problem{Status: 400, Code: CodeBadParameter, Param: param, Value: echo(value), Detail: detail}
}

func badID(id string) *Problem {
	p := badParam("last_event_id", id, "the event id is longer than 1 KiB or has characters that no id has")
	p.Limit = maxIDLen
	return p
}

// echo cuts foreign text for an answer, at a rune boundary.
func echo(s string) string { return echoed(s, maxEcho) }

func echoed(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

func quote(s string) string { return strconv.Quote(echo(s)) }

var _ error = (*Problem)(nil)
