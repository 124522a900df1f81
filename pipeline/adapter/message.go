package adapter

import (
	"errors"
	"fmt"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

// Trade is a trade of a venue. Its slices point into what was read.
type Trade struct {
	core.Trade
	// Span is how many ids of the venue the trade stands for, ending in its own:
	// 1, or more where the venue puts several trades into one. 0 where ids say
	// nothing about holes.
	Span int64
}

// First is the lowest id that the trade stands for.
func (t *Trade) First() int64 { return t.ID.Num - max(t.Span, 1) + 1 }

// Kind is what a frame is about.
type Kind uint8

// Kinds of frames.
const (
	// KindUnknown is a frame that no dialect of this venue has.
	KindUnknown Kind = iota
	// KindTrades carries trades.
	KindTrades
	// KindControl is an acknowledgement, a pong or a sign of life.
	KindControl
	// KindRefused says that the venue does not want what was sent.
	KindRefused
)

// Message is what one frame says.
type Message struct {
	Kind Kind
	// Trades in the order of the venue, unusable ones with Reject and Field set.
	Trades []Trade
	// Snapshot tells that the trades may be old ones, sent at the subscription.
	Snapshot bool
	// Symbol and LastID are a venue's word on the newest trade that there is, by
	// which a feed sees that it missed one; LastID is 0 where nothing was said.
	Symbol string
	LastID int64
	// Text is why a venue refuses, foreign and not bounded.
	Text string
}

// Page is what one answer over HTTP holds.
type Page struct {
	// Trades in ascending order of ids where the venue has integer ones, else in
	// the venue's order, oldest first.
	Trades []Trade
}

// ErrForeign means that an answer is not what this venue writes: HTML of a
// proxy, JSON that ends too early, an error object.
var ErrForeign = errors.New("the answer is not what the venue writes")

// foreign wraps ErrForeign with what was found.
func foreign(what string, body []byte) error {
	return fmt.Errorf("reading an answer: %w: %s: %q", ErrForeign, what, cut(string(body[:min(len(body), 200)])))
}
