package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// connectTimeout bounds the way to a session. Tables locked by others and slow
// disks are bounded by the server: what it gives up it tells, and locks of a
// node that was frozen in the middle of a transaction end.
const connectTimeout = 5 * time.Second

// connect opens a session. What could come from the process's environment
// (PGHOST, PGSERVICE, a password file) is given, so that the configuration is all
// that counts.
func (c Config) connect(ctx context.Context) (*pgx.Conn, error) {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("reading the address of PostgreSQL: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("reading the port of PostgreSQL: %w", err)
	}
	cfg, err := pgx.ParseConfig("host=localhost user=- password=- sslmode=disable passfile=/dev/null servicefile=/dev/null target_session_attrs=any")
	if err != nil {
		return nil, fmt.Errorf("preparing a session: %w", err)
	}
	user, password := "", ""
	if c.Credentials != nil {
		user, password = c.Credentials()
	}
	if user == "" {
		user = c.Database
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.User, cfg.Password = host, uint16(number), c.Database, user, password
	cfg.Fallbacks, cfg.ConnectTimeout = nil, connectTimeout
	if c.TLS != nil {
		cfg.TLSConfig = c.TLS()
		cfg.TLSConfig.ServerName = host
	}
	cfg.RuntimeParams = map[string]string{
		"application_name": "caddy-kline", "timezone": "UTC", "search_path": "pg_catalog",
		"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "60s",
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, classify(fmt.Errorf("connecting to PostgreSQL: %w", withoutUser(err)))
	}
	return conn, nil
}

// withoutUser takes the name of the user out of an error: it may come from a
// secret, and errors are shown by the status and the log.
func withoutUser(err error) error {
	if refused := (*pgconn.PgError)(nil); errors.As(err, &refused) {
		said := *refused
		if len(said.Code) == 5 && said.Code[:2] == "28" {
			said.Message = "the server refuses the user or the password (words username, password)"
		}
		return &said
	}
	if outer := (*pgconn.ConnectError)(nil); errors.As(err, &outer) {
		return outer.Unwrap()
	}
	return err
}

// classify names why the server refused, for the metric and for whoever decides
// what is worth a retry. (All is, but content.)
func classify(err error) error {
	var refused *pgconn.PgError
	if err == nil || !errors.As(err, &refused) {
		return err
	}
	reason := "server"
	code, class := refused.Code, ""
	if len(code) == 5 { // a proxy in between may say anything
		class = code[:2]
	}
	switch {
	case code == "40001" || code == "40P01" || code == "55P03":
		reason = "conflict"
	case class == "53":
		reason = "full"
	case class == "28" || code == "42501" || class == "3D":
		reason = "refused"
	case code == "57014":
		reason = "timeout"
	case class == "57" || class == "08":
		reason = "unreachable"
	}
	return &history.ServerError{Reason: reason, Err: err}
}

// aboutContent tells that the server refuses a row for what is in it: its data
// (22), a constraint (23), a limit such as that of an index entry (54), or a
// trigger of the operator (P0001). It would refuse it for ever.
func aboutContent(err error) bool {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || len(refused.Code) != 5 {
		return false
	}
	class := refused.Code[:2]
	return class == "22" || class == "23" || class == "54" || refused.Code == "P0001"
}
