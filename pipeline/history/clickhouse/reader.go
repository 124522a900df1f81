package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

const (
	// maxRows bounds an answer in bytes: the longest question has some twenty
	// thousand rows.
	maxRows = 32 << 20
	// fields is the number of columns of selectKlines.
	fields = 24
)

// Reader reads klines back for those who ask for more than memory holds. It makes
// nothing: where the sink has made no table yet, there are no bars. Its methods
// may be called from any goroutine.
type Reader struct {
	sink *Sink
	name string
}

// NewReader builds a reader of the table of klines under a name that answers
// show. It does not dial.
func NewReader(name string, cfg Config) *Reader {
	cfg.Stream = history.Klines
	return &Reader{sink: New(cfg), name: name}
}

// Name implements serve.Store.
func (r *Reader) Name() string { return r.name }

// selectKlines takes the newest revision of each bar: FINAL the newest of an
// epoch, LIMIT 1 BY the newest epoch. Which bars is asked of one column alone: the
// server computes all columns of all rows that it then leaves out.
const selectKlines = `SELECT sym, itv, open_ms, close_ms, toString(o), toString(h), toString(l), toString(c), toString(v), toString(qv), n,
	toString(bv), toString(bqv), toString(vwap), first_id, last_id, rev, seq, q, why, p, o0, o1, ep
	FROM %[1]s.klines FINAL WHERE sym = %[2]s AND itv = %[3]s AND open_ms IN (
		SELECT DISTINCT open_ms FROM %[1]s.klines WHERE sym = %[2]s AND itv = %[3]s AND open_ms >= %[4]d AND open_ms < %[5]d
		ORDER BY open_ms %[6]s LIMIT %[7]d)
	ORDER BY open_ms, ep DESC LIMIT 1 BY open_ms FORMAT TabSeparated`

// Bars implements serve.Store.
func (r *Reader) Bars(ctx context.Context, q serve.BarQuery, fn func(*wire.KlineRecord) error) error {
	order := "ASC"
	if q.Newest {
		order = "DESC"
	}
	statement := fmt.Sprintf(selectKlines, name(r.sink.cfg.Database), quote(q.Symbol), quote(q.Interval), q.From, q.To, order, q.Limit)
	answer, err := r.sink.endpoint.DoUpTo(ctx, maxRows, http.MethodPost, "/", url.Values{"query": {statement}, "max_execution_time": {"5"}, "readonly": {"2"}}, nil)
	if refused := (*history.StatusError)(nil); errors.As(err, &refused) {
		if c := code(refused); c == 60 || c == 81 { // unknown table, unknown database
			return nil
		}
		return serverError(refused)
	}
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSuffix(answer, []byte("\n")), []byte("\n"))
	if len(answer) == 0 {
		return nil
	}
	var k wire.KlineRecord
	for _, line := range lines {
		if err := scan(line, &k); err != nil {
			return err
		}
		if err := fn(&k); err != nil {
			return err
		}
	}
	return nil
}

// Close drops idle connections.
func (r *Reader) Close() { r.sink.Close() }

// errShape is the error of an answer that is no row of klines: cut short, or of a
// table that somebody changed.
var errShape = errors.New("reading klines: the answer has another shape")

// scan reads one line.
func scan(line []byte, k *wire.KlineRecord) error {
	f := bytes.Split(line, []byte("\t"))
	if len(f) != fields {
		return errShape
	}
	var bad error
	integer := func(text []byte) int64 {
		n, err := strconv.ParseInt(string(text), 10, 64)
		bad = errors.Join(bad, err)
		return n
	}
	k.Sym, k.Itv, k.Final = string(plain(f[0])), string(plain(f[1])), true
	k.T, k.CloseT = integer(f[2]), integer(f[3])
	k.O, k.H, k.L, k.C, k.V, k.QV = trim(f[4]), trim(f[5]), trim(f[6]), trim(f[7]), trim(f[8]), trim(f[9])
	k.N = integer(f[10])
	k.BV, k.BQV, k.VWAP = trim(f[11]), trim(f[12]), trim(f[13])
	k.FirstID = wire.AppendTradeID(k.FirstID[:0], plain(f[14]))
	k.LastID = wire.AppendTradeID(k.LastID[:0], plain(f[15]))
	k.Rev, k.Seq = int32(integer(f[16])), integer(f[17]) //nolint:gosec // a column of 32 bits
	k.Q, k.Why = string(plain(f[18])), string(plain(f[19]))
	k.P, k.O0, k.O1, k.EP = int32(integer(f[20])), integer(f[21]), integer(f[22]), int32(integer(f[23])) //nolint:gosec // columns of 32 bits
	if bad != nil {
		return errShape
	}
	return nil
}

// trim cuts the zeros that a column of fixed scale shows.
func trim(text []byte) []byte {
	if bytes.IndexByte(text, '.') < 0 {
		return text
	}
	return bytes.TrimSuffix(bytes.TrimRight(text, "0"), []byte("."))
}

// plain undoes the escapes of TabSeparated.
func plain(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			i++
			if c = text[i]; bytes.IndexByte([]byte("tnrbf0"), c) >= 0 {
				c = "\t\n\r\b\f\x00"[bytes.IndexByte([]byte("tnrbf0"), c)]
			}
		}
		out = append(out, c)
	}
	return out
}

var _ serve.Store = (*Reader)(nil)
