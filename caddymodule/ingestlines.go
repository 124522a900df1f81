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
func readTrades(w http.ResponseWriter, r *http.Request, held *share) ([]ingestLine, *problem) {
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
	body, p := readBody(in, held)
	if p != nil {
		return nil, p
	}
	return cutTrades(body)
}

// ingestLine is the text of a trade and the client's own number of it: that of the
// line or of the element, from 1.
type ingestLine struct {
	n    int
	text []byte
}

// cutTrades ends at the first trade too many: a small body of gzip holds a million
// lines, whose places would take a hundred times what they do.
func cutTrades(body []byte) ([]ingestLine, *problem) {
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // editors write one: an array behind it would be no array
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		return cutArray(body)
	}
	return cutLines(body)
}

// cutLines does not count empty lines: a thousand trades behind which a program
// ends its last line twice would be refused.
func cutLines(body []byte) ([]ingestLine, *problem) {
	var lines []ingestLine
	n := 0
	for line := range bytes.Lines(body) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if len(lines) == maxIngestTrades {
			return nil, tooManyTrades()
		}
		lines = append(lines, ingestLine{n, line})
	}
	return lines, nil
}

func cutArray(body []byte) ([]ingestLine, *problem) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if _, err := dec.Token(); err != nil { // its [
		return nil, badBody(err)
	}
	var lines []ingestLine
	for dec.More() {
		if len(lines) == maxIngestTrades {
			return nil, tooManyTrades()
		}
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			return nil, badBody(err)
		}
		lines = append(lines, ingestLine{len(lines) + 1, one})
	}
	if _, err := dec.Token(); err != nil { // its ]
		return nil, badBody(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, badBody(err)
	}
	return lines, nil
}

func tooManyTrades() *problem {
	return &problem{
		code: "too-many-trades", status: http.StatusRequestEntityTooLarge, title: "Too many trades",
		detail: "one request holds at most 1000 trades", limit: maxIngestTrades,
	}
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

// judge looks at each line as the engine would.
func (i *Ingest) judge(source string, lines []ingestLine) (*ingestResult, []ingestTrade) {
	dec := wire.NewDecoder(nil)
	result := &ingestResult{}
	var out []ingestTrade
	within := map[string]uint64{}
	for _, line := range lines {
		t, reason, field := oneTrade(dec, line.text, i.engine.config.Symbols)
		if reason != core.ReasonNone {
			result.Refused++
			result.Lines = append(result.Lines, ingestRefusal{Line: line.n, Reason: reason.String(), Field: field})
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

func oneTrade(dec *wire.Decoder, line []byte, rules []core.SymbolRule) (core.Trade, core.Reason, string) {
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
	case t.Price.Coef <= 0 && !core.RuleOf(rules, string(t.Symbol)).TakesPrice(t.Price):
		return t, core.ReasonPrice, "price"
	case t.Size.Coef <= 0:
		return t, core.ReasonSize, "size"
	case t.Price.Scale > core.MaxScale:
		return t, core.ReasonPrecision, "price"
	case t.Size.Scale > core.MaxScale:
		return t, core.ReasonPrecision, "size"
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
