package feed

import (
	"context"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Topic is what a feed that runs for ever is given: the input topic, and what
// the nodes of that topic share.
type Topic interface {
	TradeWriter
	// LastTrades returns the newest trades of a source by symbol. A symbol
	// without one is not in the map.
	LastTrades(ctx context.Context, source string, symbols []string) (map[string]LastTrade, error)
	// Shared is what the nodes share.
	Shared() Shared
	// SpillDir is the folder for trades that the topic does not take; it is
	// made when it is needed.
	SpillDir() string
}

// LastTrade is the newest trade of a symbol on the topic.
type LastTrade struct {
	// ID is the venue's; its text is a copy.
	ID core.TradeID
	// EventNS is its event time, ns since 1970 UTC.
	EventNS int64
}

// Shared is what the nodes that run the same feeds share. Names come from the
// configuration. An error means that nobody knows what happened: it is not tried
// again, the next call asks anew.
type Shared interface {
	// Hold takes names for ttl, or keeps those that token has. The answer has
	// one number per name: 0 another one has it, else the number of the lock,
	// which grows each time that it changes hands.
	Hold(ctx context.Context, token string, names []string, ttl time.Duration) ([]int64, error)
	// Release gives back what token still has.
	Release(ctx context.Context, token string, names []string) error
	// Take asks for one request to a venue. It returns 0, or how long to wait.
	Take(ctx context.Context, venue string, perSecond float64, burst int) (time.Duration, error)
	// Pause lets nobody ask a venue for d.
	Pause(ctx context.Context, venue string, d time.Duration) error
	// Seen remembers mark for ttl, and tells of each of ask whether it is
	// remembered. It saves work: what it has forgotten is sent again.
	Seen(ctx context.Context, mark, ask []string, ttl time.Duration) ([]bool, error)
}
