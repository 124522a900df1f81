package clickhouse

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// Config says which server and which table.
type Config struct {
	// Addr is host:port of the HTTP interface.
	Addr string
	// Database holds the tables. Default: kline. It is made if it is missing.
	Database string
	// Credentials is asked at each request; nil asks as the server's default user.
	Credentials func() (user, password string)
	// TLS makes it HTTPS; it is asked at each new connection.
	TLS func() *tls.Config
	// Stream is which table.
	Stream history.Stream
}

// Sink is one table of one server.
type Sink struct {
	cfg      Config
	endpoint *history.Endpoint
	// version numbers the rows of positions: the greatest counts.
	version uint64
	buffer  []byte // rows on their way, used again
}

// New builds a sink. It does not dial.
func New(cfg Config) *Sink {
	if cfg.Database == "" {
		cfg.Database = "kline"
	}
	return &Sink{cfg: cfg, endpoint: history.NewEndpoint(cfg.Addr, cfg.TLS, func(r *http.Request) {
		if cfg.Credentials == nil {
			return
		}
		if user, password := cfg.Credentials(); user != "" {
			r.Header.Set("X-ClickHouse-User", user)
			r.Header.Set("X-ClickHouse-Key", password)
		}
	})}
}

// Open implements history.Sink.
func (s *Sink) Open(ctx context.Context, topic string, _ int32) (map[int32]int64, error) {
	answer, err := s.ask(ctx, "SELECT count() FROM system.databases WHERE name = "+quote(s.cfg.Database), nil)
	if err != nil {
		return nil, fmt.Errorf("looking for the database: %w", err)
	}
	if strings.TrimSpace(string(answer)) == "0" {
		if _, err := s.ask(ctx, "CREATE DATABASE IF NOT EXISTS "+name(s.cfg.Database), nil); err != nil {
			return nil, fmt.Errorf("making the database: %w", err)
		}
	}
	for _, ddl := range []string{positionsTable, tables[s.cfg.Stream]} {
		if _, err := s.ask(ctx, strings.ReplaceAll(ddl, "DB.", name(s.cfg.Database)+"."), nil); err != nil {
			return nil, fmt.Errorf("making the tables: %w", err)
		}
	}
	return s.positions(ctx, topic)
}

// positions reads where each partition stands.
func (s *Sink) positions(ctx context.Context, topic string) (map[int32]int64, error) {
	answer, err := s.ask(ctx, "SELECT p, argMax(next_offset, ver), max(ver) FROM "+name(s.cfg.Database)+".positions WHERE topic = "+
		quote(s.key(topic))+" GROUP BY p FORMAT TabSeparated", nil)
	if err != nil {
		return nil, fmt.Errorf("reading the positions: %w", err)
	}
	have := map[int32]int64{}
	for line := range strings.Lines(string(answer)) {
		var p int32
		var next int64
		var version uint64
		if _, err := fmt.Sscan(line, &p, &next, &version); err != nil {
			return nil, fmt.Errorf("reading the positions: %w", err)
		}
		have[p] = next
		s.version = max(s.version, version)
	}
	return have, nil
}

// key keeps the positions of two tables that follow one topic apart.
func (s *Sink) key(topic string) string { return s.cfg.Stream.String() + " of " + topic }

// Write implements history.Sink.
func (s *Sink) Write(ctx context.Context, b *history.Batch) error {
	err := b.Store(ctx, func(i int) error { return s.check(b, i) }, func(rows []int) error { return s.insert(ctx, b, rows) }, aboutContent)
	if err != nil {
		return err
	}
	if len(b.Moves) == 0 {
		return nil // an import moves none, and the server refuses an empty insert
	}
	s.version++
	s.buffer = s.buffer[:0]
	for _, m := range b.Moves {
		s.buffer = history.AppendTab(s.buffer, s.key(b.Topic))
		s.buffer = strconv.AppendInt(append(s.buffer, '\t'), int64(m.P), 10)
		s.buffer = strconv.AppendInt(append(s.buffer, '\t'), m.To, 10)
		s.buffer = strconv.AppendUint(append(s.buffer, '\t'), s.version, 10)
		s.buffer = append(s.buffer, '\n')
	}
	_, err = s.ask(ctx, "INSERT INTO "+name(s.cfg.Database)+".positions (topic, p, next_offset, ver) FORMAT TabSeparated", s.buffer)
	if err != nil {
		return fmt.Errorf("moving the positions: %w", err)
	}
	return nil
}

func (s *Sink) insert(ctx context.Context, b *history.Batch, rows []int) error {
	for _, part := range s.inserts(b, rows) {
		if err := s.insertOnce(ctx, b, part); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sink) insertOnce(ctx context.Context, b *history.Batch, rows []int) error {
	s.buffer = s.buffer[:0]
	for _, i := range rows {
		if s.cfg.Stream == history.Trades {
			s.buffer = appendTrade(s.buffer, &b.Trades[i])
		} else {
			s.buffer = appendKline(s.buffer, &b.Klines[i])
		}
	}
	_, err := s.ask(ctx, "INSERT INTO "+name(s.cfg.Database)+"."+s.cfg.Stream.String()+" ("+columns[s.cfg.Stream]+") FORMAT TabSeparated", s.buffer)
	return err
}

// Close implements history.Sink.
func (s *Sink) Close() { s.endpoint.Close() }

// ask sends a statement; rows go in the body.
func (s *Sink) ask(ctx context.Context, statement string, rows []byte) ([]byte, error) {
	answer, err := s.endpoint.Do(ctx, http.MethodPost, "/", url.Values{"query": {statement}}, rows)
	if err == nil && (len(answer) > 0 && !strings.HasPrefix(statement, "SELECT") || bytes.Contains(answer, exception)) {
		// The server, or a proxy before it, had sent the status when the statement
		// failed. Taken for an acknowledgement it would lose the rows: one that
		// writes is answered with nothing.
		err = &history.StatusError{Status: http.StatusOK, Body: string(answer)}
	}
	return answer, explained(err)
}

// exception is in what the server says of a statement that failed.
var exception = []byte("DB::Exception: ")

// explained gives a refusal of the server its reason.
func explained(err error) error {
	if refused := (*history.StatusError)(nil); errors.As(err, &refused) {
		return serverError(refused)
	}
	return err
}

// serverError is what is told of a refusal.
func serverError(refused *history.StatusError) error {
	var err error = refused
	why := reason(refused)
	if why == "refused" { // its words hold the name of the user, which may be a secret
		err = fmt.Errorf("the server refuses the user, the password or a right (status %d, code %d)", refused.Status, code(refused))
	}
	return &history.ServerError{Reason: why, Err: err}
}

// code is the number of the server's exception, 0 if it gives none.
func code(e *history.StatusError) int {
	text := e.Header.Get("X-ClickHouse-Exception-Code")
	if text == "" {
		_, rest, found := strings.Cut(e.Body, "Code: ")
		if !found {
			return 0
		}
		text, _, _ = strings.Cut(rest, ",")
		text, _, _ = strings.Cut(text, ".")
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return n
}

func reason(e *history.StatusError) string {
	switch code(e) {
	case 192, 193, 194, 497, 516: // unknown user, wrong or missing password, access denied, authentication failed
		return "refused"
	case 202, 241, 243, 252: // too many queries, memory limit, no space, too many parts
		return "full"
	case 159, 209: // timeout exceeded, socket timeout
		return "timeout"
	}
	return "server"
}

// aboutContent tells that the server refuses a row for what is in it: text that
// is no number of the column (6, 27, 72), out of bounds (69), cut short (25, 26,
// 32, 33), of another type (53, 70), decimal overflow (407), a violated
// constraint (469), bad data (117), a string too long (131).
func aboutContent(err error) bool {
	refused := (*history.StatusError)(nil)
	if !errors.As(err, &refused) {
		return false
	}
	switch code(refused) {
	case 6, 25, 26, 27, 32, 33, 53, 69, 70, 72, 117, 131, 407, 469:
		return true
	}
	return false
}

// name quotes an identifier, quote a text.
func name(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

func quote(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
}

var _ history.Sink = (*Sink)(nil)
