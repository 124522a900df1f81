package caddymodule

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/feed"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Bounds of one request.
const (
	maxIngestBody   = 1 << 20 // before and after decompression
	maxIngestTrades = 1000
)

// readTrades reads the body and cuts it into trades, by line or by element.
func readTrades(w http.ResponseWriter, r *http.Request) ([][]byte, *problem) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxIngestBody)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, badBody(err)
		}
		in = z
	default:
		return nil, &problem{
			code: "unsupported-encoding", status: http.StatusUnsupportedMediaType, title: "Unsupported encoding",
			param: "Content-Encoding", allowed: []string{"gzip", "identity"},
		}
	}
	body, err := io.ReadAll(io.LimitReader(in, maxIngestBody+1))
	if err != nil {
		return nil, badBody(err)
	}
	if len(body) > maxIngestBody {
		return nil, bodyTooLarge()
	}
	return cutTrades(body)
}

// cutTrades keeps empty lines, so that refusals name the client's own line numbers,
// and does not count them: a thousand trades behind which a program ends its last
// line twice would be refused.
func cutTrades(body []byte) ([][]byte, *problem) {
	var lines [][]byte
	trades := 0
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, badBody(err)
		}
		trades = len(list)
		for _, one := range list {
			lines = append(lines, one)
		}
	} else {
		for line := range bytes.Lines(body) {
			line = bytes.TrimSpace(line)
			lines = append(lines, line)
			if len(line) > 0 {
				trades++
			}
		}
	}
	if trades > maxIngestTrades {
		return nil, &problem{
			code: "too-many-trades", status: http.StatusRequestEntityTooLarge, title: "Too many trades",
			detail: "one request holds at most 1000 trades", limit: maxIngestTrades,
		}
	}
	return lines, nil
}

func badBody(err error) *problem {
	large := new(http.MaxBytesError)
	if errors.As(err, &large) {
		return bodyTooLarge()
	}
	return &problem{
		code: "bad-body", status: http.StatusBadRequest, title: "Bad body",
		detail: "the body cannot be read: expected are JSON lines or one JSON array of trades, plain or gzip",
	}
}

func bodyTooLarge() *problem {
	return &problem{
		code: "too-large", status: http.StatusRequestEntityTooLarge, title: "Too large",
		detail: "the body has more than 1 MiB, before or after decompression", limit: maxIngestBody,
	}
}

// ingestTrade is a line that is a trade.
type ingestTrade struct {
	trade core.Trade
	id    string // message id
	sum   uint64 // of its content
}

// judge looks at each line as the engine would. Empty lines are none.
func (i *Ingest) judge(source string, lines [][]byte) (*ingestResult, []ingestTrade) {
	dec := wire.NewDecoder(nil)
	result := &ingestResult{}
	var out []ingestTrade
	within := map[string]uint64{}
	for n, line := range lines {
		if len(line) == 0 {
			continue
		}
		t, reason, field := oneTrade(dec, line)
		if reason != core.ReasonNone {
			result.Refused++
			result.Lines = append(result.Lines, ingestRefusal{Line: n + 1, Reason: reason.String(), Field: field})
			continue
		}
		id := string(feed.MessageID(source, &t))
		sum := xxhash.Sum64(wire.AppendTrade(nil, &t))
		// The same id with another content is not judged here: the engine knows
		// the first one longer than this route does.
		if old, twice := within[id]; twice && old == sum || i.recent.has(id, sum) {
			result.Duplicate++
			continue
		}
		within[id] = sum
		out = append(out, ingestTrade{t, id, sum})
	}
	return result, out
}

func oneTrade(dec *wire.Decoder, line []byte) (core.Trade, core.Reason, string) {
	trades, err := dec.Decode(line, nil)
	refused := new(wire.RejectError)
	switch {
	case errors.As(err, &refused):
		return core.Trade{}, refused.Reason, refused.Field
	case len(trades) != 1:
		return core.Trade{}, core.ReasonDecode, ""
	}
	t := trades[0]
	switch {
	case t.Reject != core.ReasonNone:
		return t, t.Reject, t.Field
	case t.Price.Coef <= 0:
		return t, core.ReasonPrice, "price"
	case t.Size.Coef <= 0:
		return t, core.ReasonSize, "size"
	case t.ID.Kind == core.IDNone:
		// Without one a request that is sent again would count twice.
		return t, core.ReasonDecode, "id"
	}
	return t, core.ReasonNone, ""
}

// recentKept is how many ids a generation of recentTrades holds.
const recentKept = 50_000

// recentTrades remembers what was acknowledged lately, in two generations: a
// client that sends again after a lost answer costs no record.
type recentTrades struct {
	mu       sync.Mutex // protects the rest
	new, old map[string]uint64
}

func newRecentTrades() *recentTrades { return &recentTrades{new: map[string]uint64{}} }

func (r *recentTrades) has(id string, sum uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.new[id]; ok {
		return s == sum
	}
	s, ok := r.old[id]
	return ok && s == sum
}

func (r *recentTrades) add(id string, sum uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.new) >= recentKept {
		r.old, r.new = r.new, make(map[string]uint64, recentKept)
	}
	r.new[id] = sum
}
