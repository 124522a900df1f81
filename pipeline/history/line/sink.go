package line

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// Dialect is whose line protocol it is.
type Dialect uint8

// The dialects. They differ in how numbers are written and how positions are
// read back.
const (
	QuestDB Dialect = iota
	InfluxDB
)

// Config says which server.
type Config struct {
	// Addr is host:port of the HTTP interface.
	Addr    string
	Dialect Dialect
	// Database is the one of InfluxDB. Default: kline. It is made if it is missing.
	Database string
	// Credentials is asked at each request (basic authentication); nil sends none.
	Credentials func() (user, password string)
	// TLS makes it HTTPS; it is asked at each new connection.
	TLS func() *tls.Config
}

// Sink is one server.
type Sink struct {
	cfg      Config
	endpoint *history.Endpoint
	buffer   []byte // rows on their way, used again
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
			r.SetBasicAuth(user, password)
		}
	})}
}

// Open implements history.Sink.
func (s *Sink) Open(ctx context.Context, topic string, _ int32) (map[int32]int64, error) {
	if s.cfg.Dialect == InfluxDB {
		return s.openInflux(ctx, topic)
	}
	for _, ddl := range []string{positionsTable, klinesTable} {
		if _, err := s.ask(ctx, http.MethodGet, "/exec", url.Values{"query": {ddl}}, nil); err != nil {
			return nil, fmt.Errorf("making the tables: %w", err)
		}
	}
	answer, err := s.ask(ctx, http.MethodGet, "/exec", url.Values{"query": {"SELECT p, next_offset FROM kline_positions WHERE topic = " + quote(topic)}}, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the positions: %w", err)
	}
	var result struct {
		Dataset [][2]int64 `json:"dataset"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, fmt.Errorf("reading the positions: %w", err)
	}
	have := map[int32]int64{}
	for _, row := range result.Dataset {
		have[int32(row[0])] = row[1]
	}
	return have, nil
}

func (s *Sink) openInflux(ctx context.Context, topic string) (map[int32]int64, error) {
	if _, err := s.ask(ctx, http.MethodPost, "/query", url.Values{"q": {"CREATE DATABASE " + strconv.Quote(s.cfg.Database)}}, nil); err != nil {
		return nil, fmt.Errorf("making the database: %w", err)
	}
	answer, err := s.ask(ctx, http.MethodGet, "/query", url.Values{"db": {s.cfg.Database}, "epoch": {"ms"}, "q": {
		`SELECT last(next_offset) FROM kline_positions WHERE topic = ` + quote(topic) + ` GROUP BY p`}}, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the positions: %w", err)
	}
	var result struct {
		Results []struct {
			Series []struct {
				Tags   struct{ P string }
				Values [][]json.Number
			}
			Error string
		}
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, fmt.Errorf("reading the positions: %w", err)
	}
	have := map[int32]int64{}
	for _, r := range result.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("reading the positions: %.200q", r.Error)
		}
		for _, series := range r.Series {
			p, err1 := strconv.ParseInt(series.Tags.P, 10, 32)
			if len(series.Values) != 1 || len(series.Values[0]) != 2 || err1 != nil {
				return nil, errors.New("reading the positions: the answer has another shape")
			}
			next, err := series.Values[0][1].Int64()
			if err != nil {
				return nil, fmt.Errorf("reading the positions: %w", err)
			}
			have[int32(p)] = next
		}
	}
	return have, nil
}

// Write implements history.Sink.
func (s *Sink) Write(ctx context.Context, b *history.Batch) error {
	err := b.Store(ctx, func(i int) error { return s.cfg.Dialect.check(&b.Klines[i]) }, func(rows []int) error {
		s.buffer = s.buffer[:0]
		for _, i := range rows {
			s.buffer = s.cfg.Dialect.appendKline(s.buffer, &b.Klines[i])
		}
		return s.write(ctx, s.buffer)
	}, aboutContent)
	if err != nil {
		return err
	}
	s.buffer = s.buffer[:0]
	for _, m := range b.Moves {
		s.buffer = s.cfg.Dialect.appendPosition(s.buffer, b.Topic, m)
	}
	if err := s.write(ctx, s.buffer); err != nil {
		return fmt.Errorf("moving the positions: %w", err)
	}
	return nil
}

func (s *Sink) write(ctx context.Context, lines []byte) error {
	query := url.Values{"precision": {"ms"}}
	if s.cfg.Dialect == InfluxDB {
		query.Set("db", s.cfg.Database)
	}
	_, err := s.ask(ctx, http.MethodPost, "/write", query, lines)
	return err
}

func (s *Sink) ask(ctx context.Context, method, path string, query url.Values, body []byte) ([]byte, error) {
	answer, err := s.endpoint.Do(ctx, method, path, query, body)
	if refused := (*history.StatusError)(nil); errors.As(err, &refused) {
		reason := "server"
		if refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden {
			reason = "refused" // its words may hold the name of the user, which may be a secret
			err = fmt.Errorf("the server refuses the user, the password or a right (status %d)", refused.Status)
		}
		return nil, &history.ServerError{Reason: reason, Err: err}
	}
	return answer, err
}

// aboutContent tells that the server refuses lines for what is in them: both
// answer 400 then, and store nothing of QuestDB's batch.
func aboutContent(err error) bool {
	refused := (*history.StatusError)(nil)
	return errors.As(err, &refused) && refused.Status == http.StatusBadRequest
}

// Close implements history.Sink.
func (s *Sink) Close() { s.endpoint.Close() }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

var _ history.Sink = (*Sink)(nil)
