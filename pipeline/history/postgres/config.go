package postgres

import (
	"crypto/tls"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

// Period is the length of a partition of the table of trades.
type Period uint8

// The periods. Days suit many trades and a short retention, months suit decades.
const (
	Day Period = iota
	Month
)

// Config says which server and what to keep.
type Config struct {
	// Addr is host:port.
	Addr string
	// Database and Schema name where the tables are. Default: kline, kline.
	Database string
	Schema   string
	// Credentials is asked at each new connection, so that a rotated secret needs
	// no restart. An empty user is the name of the database.
	Credentials func() (user, password string)
	// TLS encrypts the connections; it is asked at each new one. Nil is plain text.
	TLS func() *tls.Config

	// Stream is which table.
	Stream history.Stream
	// Period is the length of a partition of trades; klines have months.
	Period Period
	// Keep is how old rows may grow before their partition is dropped, by the
	// times in the rows. 0 keeps all.
	Keep time.Duration

	Clock clock.Clock    // Default: the machine's.
	Log   history.Logger // Required.
}

func (c Config) withDefaults() Config {
	if c.Database == "" {
		c.Database = "kline"
	}
	if c.Schema == "" {
		c.Schema = "kline"
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Stream == history.Klines {
		c.Period = Month
	}
	return c
}
