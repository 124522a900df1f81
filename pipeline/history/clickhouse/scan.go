package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

const (
	// scanPage is how many rows are asked for at once.
	scanPage = 1000
	// scanAnswer bounds the answer in bytes: a page that is longer is asked for again
	// with fewer rows. It is several times the largest record of a usual broker, so
	// that one row always fits.
	scanAnswer = 8 << 20
)

// errScan means that a row is not what this program writes.
var errScan = errors.New("a row of the history is not what this program writes")

const klineColumns = "sym, itv, open_ms, ep, ver, rev, close_ms, toString(o), toString(h), toString(l), toString(c), toString(v), toString(qv), n, " +
	"toString(bv), toString(bqv), toString(vwap), first_id, last_id, q, why, seq, so, sk, ind"

// ScanKlines hands out the bars of a symbol (empty: of all) that open in
// [from, to), ms, in their order; to = 0 is no bound. put's kline is its own.
func (s *Sink) ScanKlines(ctx context.Context, symbol string, from, to int64, put func(*history.Kline) error) error {
	where := between("open_ms", symbol, from, to)
	after := ""
	return s.pages(ctx, func(limit int) string {
		return "SELECT " + klineColumns + " FROM " + name(s.cfg.Database) + ".klines FINAL WHERE " + where + after +
			" ORDER BY sym, itv, open_ms, ep LIMIT " + strconv.Itoa(limit) + " FORMAT TabSeparated"
	}, func(f [][]byte) error {
		if len(f) != 25 {
			return errScan
		}
		k, err := klineOf(f)
		if err != nil {
			return err
		}
		after = fmt.Sprintf(" AND (sym, itv, open_ms, ep) > (%s, %s, %d, %d)", quote(k.Sym), quote(k.Itv), k.T, k.EP)
		return put(k)
	})
}

func klineOf(f [][]byte) (*history.Kline, error) {
	k := &history.Kline{}
	k.Sym, k.Itv, k.Q, k.Why, k.Final = string(f[0]), string(f[1]), string(f[19]), string(f[20]), true
	var rev, ep int64
	for _, n := range []struct {
		text []byte
		to   *int64
	}{{f[2], &k.T}, {f[3], &ep}, {f[5], &rev}, {f[6], &k.CloseT}, {f[13], &k.N}, {f[21], &k.Seq}, {f[22], &k.So}, {f[23], &k.Sk}} {
		var err error
		if *n.to, err = strconv.ParseInt(string(n.text), 10, 64); err != nil {
			return nil, fmt.Errorf("%w: %q is no number", errScan, cutText(n.text))
		}
	}
	k.Rev, k.EP = int32(rev), int32(ep) // #nosec G115 -- columns of 32 bits
	k.O, k.H, k.L, k.C, k.V, k.QV = shortest(f[7]), shortest(f[8]), shortest(f[9]), shortest(f[10]), shortest(f[11]), shortest(f[12])
	k.BV, k.BQV, k.VWAP = shortest(f[14]), shortest(f[15]), shortest(f[16])
	k.FirstID, k.LastID = history.RawID(string(f[17])), history.RawID(string(f[18]))
	var err error
	k.Ind, err = history.ParseValues(f[24])
	return k, err
}

// ScanTrades hands out the trades of a symbol (empty: of all) in [from, to), ms;
// to = 0 is no bound.
func (s *Sink) ScanTrades(ctx context.Context, symbol string, from, to int64, put func(*history.Trade) error) error {
	where := between("ts_ns", symbol, nanos(from), nanos(to))
	after := ""
	return s.pages(ctx, func(limit int) string {
		return "SELECT sym, tid, ts_ns, toString(price), toString(size), side, src, p, o, i FROM " + name(s.cfg.Database) + ".trades FINAL WHERE " + where + after +
			" ORDER BY sym, tid, ts_ns LIMIT " + strconv.Itoa(limit) + " FORMAT TabSeparated"
	}, func(f [][]byte) error {
		if len(f) != 10 {
			return errScan
		}
		t := &history.Trade{Source: string(f[6])}
		t.Symbol, t.ID = f[0], core.NewTradeID(f[1])
		var p, index int64
		for _, n := range []struct {
			text []byte
			to   *int64
		}{{f[2], &t.EventNS}, {f[7], &p}, {f[8], &t.Offset}, {f[9], &index}} {
			var err error
			if *n.to, err = strconv.ParseInt(string(n.text), 10, 64); err != nil {
				return fmt.Errorf("%w: %q is no number", errScan, cutText(n.text))
			}
		}
		t.P, t.Index = int32(p), int(index) // #nosec G115 -- columns of 32 bits
		var err1, err2 error
		t.Price, err1 = core.ParseDecimal(shortest(f[3]))
		t.Size, err2 = core.ParseDecimal(shortest(f[4]))
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("%w: %w", errScan, err)
		}
		switch string(f[5]) {
		case core.SideBuy.String():
			t.Side = core.SideBuy
		case core.SideSell.String():
			t.Side = core.SideSell
		}
		after = fmt.Sprintf(" AND (sym, tid, ts_ns) > (%s, %s, %d)", quote(string(f[0])), quote(string(f[1])), t.EventNS)
		return put(t)
	})
}

// nanos is a time of ms in ns; of one beyond what 64 bits hold (2262) the last.
func nanos(ms int64) int64 {
	const milli = 1_000_000
	if ms > math.MaxInt64/milli {
		return math.MaxInt64
	}
	return ms * milli
}

// between is the condition on symbol and time.
func between(column, symbol string, from, to int64) string {
	where := column + " >= " + strconv.FormatInt(from, 10)
	if to != 0 {
		where += " AND " + column + " < " + strconv.FormatInt(to, 10)
	}
	if symbol != "" {
		where += " AND sym = " + quote(symbol)
	}
	return where
}

// pages asks until an answer is empty. statement goes on behind the last row
// that was handed to row.
func (s *Sink) pages(ctx context.Context, statement func(limit int) string, row func(fields [][]byte) error) error {
	for limit := scanPage; ; {
		answer, err := s.rows(ctx, statement(limit))
		if errors.Is(err, history.ErrLongAnswer) && limit > 1 {
			limit = max(1, limit/4)
			continue
		}
		if errors.Is(err, history.ErrLongAnswer) {
			return fmt.Errorf("reading the history: one row is larger than what is read of an answer: %w", err)
		}
		if err != nil {
			return fmt.Errorf("reading the history: %w", err)
		}
		if len(answer) == 0 {
			return nil
		}
		for line := range bytes.Lines(answer) {
			fields := bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"))
			for i := range fields {
				fields[i] = unescape(fields[i])
			}
			if err := row(fields); err != nil {
				return err
			}
		}
	}
}

// rows asks for a page.
func (s *Sink) rows(ctx context.Context, statement string) ([]byte, error) {
	answer, err := s.endpoint.DoUpTo(ctx, scanAnswer, http.MethodPost, "/", url.Values{"query": {statement}}, nil)
	if said := exceptionIn(answer); err == nil && said != nil {
		err = &history.StatusError{Status: http.StatusOK, Body: string(said)}
	}
	return answer, explained(err)
}

// exceptionIn is what the server says of a statement that failed behind its status,
// with or without rows before it; nil if it says nothing. It stands at the beginning
// of a line, where rows have the symbol: behind that are ids and names of sources,
// which are anybody's text. An exception within a row leaves one of another shape.
func exceptionIn(answer []byte) []byte {
	at := 0
	for line := range bytes.Lines(answer) {
		first, _, _ := bytes.Cut(line, []byte("\t"))
		if bytes.Contains(first, exception) {
			return answer[at:]
		}
		at += len(line)
	}
	return nil
}

// unescape reads a field of TabSeparated.
func unescape(b []byte) []byte {
	if !bytes.ContainsRune(b, '\\') {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		if at := strings.IndexByte("tnrbf0", b[i]); at >= 0 {
			out = append(out, "\t\n\r\b\f\x00"[at])
		} else {
			out = append(out, b[i])
		}
	}
	return out
}

// shortest cuts the zeros of a column's scale.
func shortest(text []byte) []byte {
	if !bytes.ContainsRune(text, '.') {
		return text
	}
	return bytes.TrimSuffix(bytes.TrimRight(text, "0"), []byte("."))
}

func cutText(b []byte) string { return string(b[:min(len(b), 40)]) }
