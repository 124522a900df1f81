package feed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/adapter"
	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// Reasons of FeedError.
const (
	reasonWrite     = "write"     // the topic did not take a batch, it is tried again
	reasonLookup    = "lookup"    // the topic did not tell its last trades
	reasonSpill     = "spill"     // the file on the disk is full, damaged or not to be written
	reasonLock      = "lock"      // the lock store did not answer
	reasonConnect   = "connect"   // a connection did not come about or broke
	reasonStatus    = "status"    // an answer with another status than 200 and 304
	reasonThrottled = "throttled" // 429 or 418
	reasonTimeout   = "timeout"   // no answer in time
	reasonTooLarge  = "too_large" // an answer or frame beyond the limit
	reasonRedirect  = "redirect"  // a redirect that is not followed
	reasonAnswer    = "answer"    // HTML, truncated JSON, an error object
	reasonFrame     = "frame"     // a frame that cannot be read
	reasonRefused   = "refused"   // the venue refused a subscription
	reasonProxy     = "proxy"     // a proxy failed, it rests
)

// Kinds of FeedGap.
const (
	gapSequence = "sequence"
	gapOutage   = "outage"
)

// Live is what feeds from venues have in common. New copies it; zero values are
// filled with the defaults named here.
type Live struct {
	// SourceName is the `src` of trades and heartbeats. Required, unique.
	SourceName string
	// Format is the dialect. Default: generic.
	Format adapter.Format
	// Contracts takes sizes of derivatives in contracts.
	Contracts bool
	// Symbols as the venue writes them. Required, without repeats.
	Symbols []string
	// SymbolPrefix is put in front of them in the topic.
	SymbolPrefix string
	// NoHeartbeats stops the heartbeats.
	NoHeartbeats bool
	// Delay is how long a venue may keep a trade back. Heartbeats promise
	// nothing that is younger. Default: 1 s.
	Delay time.Duration
	// DeliveryTimeout is how long a batch is tried before it goes to the disk.
	// Default: 30 s.
	DeliveryTimeout time.Duration
	// SpillBytes bounds the file on the disk. Default: 64 MiB.
	SpillBytes int64
	// LeaseTime is how long a lock holds without being renewed. Default: 10 s.
	LeaseTime time.Duration
	// Fetch is how venues are asked over HTTP.
	Fetch FetchConfig

	// Clock paces. Default: the machine's clock.
	Clock clock.Clock
	// Observer counts. Default: nobody.
	Observer Observer
	// Log takes messages. Default: nobody.
	Log Logger
}

// live is a checked Live.
type live struct {
	Live
	venue adapter.Venue
	token string // of this run, for locks

	mu     sync.Mutex // protects report
	report Report
}

// Report is what a feed tells of itself beyond its trades.
type Report struct {
	// Symbols are those that this node reads, of all that are configured.
	Symbols int `json:"symbols"`
	// Missing is how many ids are known not to have come and not to be had.
	Missing int64 `json:"missing,omitempty"`
	// Outages counts times over which nobody knows what was missed.
	Outages int64 `json:"outages,omitempty"`
	// Refused counts what the venue sent and could not be used.
	Refused int64 `json:"refused,omitempty"`
	// Spilled is how many bytes wait on the disk.
	Spilled int64 `json:"spilled,omitempty"`
	// Trouble is what keeps it from its venue, empty when nothing does.
	Trouble string `json:"trouble,omitempty"`
}

func newLive(c Live) (*live, error) {
	venue, err := adapter.FindVenue(c.Format.Preset)
	if err != nil {
		return nil, err
	}
	if c.Format.Preset == "" {
		c.Format.Preset = adapter.PresetGeneric
	}
	l := &live{Live: c, venue: venue}
	if err := l.check(); err != nil {
		return nil, err
	}
	if _, err := l.reader(); err != nil {
		return nil, err
	}
	setDefault(&l.Delay, time.Second)
	setDefault(&l.DeliveryTimeout, deliveryTimeout)
	setDefault(&l.SpillBytes, DefaultSpill)
	setDefault(&l.LeaseTime, 10*time.Second)
	if l.Clock == nil {
		l.Clock = clock.Real()
	}
	if l.Observer == nil {
		l.Observer = silent{}
	}
	if l.Log == nil {
		l.Log = silent{}
	}
	return l, nil
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// MaxSymbols is how many symbols a feed may have.
const MaxSymbols = 10_000

func (l *live) check() error {
	if l.SourceName == "" || len(l.SourceName) > wire.MaxSourceBytes {
		return fmt.Errorf("configuring a feed: source_name must have 1 to %d bytes", wire.MaxSourceBytes)
	}
	if n := len(l.Symbols); n == 0 || n > MaxSymbols {
		return fmt.Errorf("configuring a feed: %d symbols are given (allowed: 1 to %d)", n, MaxSymbols)
	}
	seen := map[string]bool{}
	for _, s := range l.Symbols {
		if !core.ValidSymbol([]byte(l.SymbolPrefix + s)) {
			return fmt.Errorf("configuring a feed: %q is not a symbol (a letter or digit, then up to 31 of letters, digits and . _ : / -)", cut(l.SymbolPrefix+s))
		}
		if seen[s] {
			return fmt.Errorf("configuring a feed: the symbol %q is given twice", cut(s))
		}
		seen[s] = true
	}
	if l.Delay < 0 || l.DeliveryTimeout < 0 || l.SpillBytes < 0 || l.LeaseTime < 0 {
		return errors.New("configuring a feed: durations and sizes must not be negative")
	}
	return nil
}

func (l *live) reader() (*adapter.Reader, error) {
	return adapter.NewReader(l.Format, adapter.Options{Contracts: l.Contracts})
}

// begin names this run.
func (l *live) begin() {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	l.token = hex.EncodeToString(b[:])
}

// Report tells how the feed is.
func (l *live) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report
}

func (l *live) note(f func(r *Report)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.report)
}

// trouble says what keeps the feed from its venue, "" nothing.
func (l *live) trouble(what string) { l.note(func(r *Report) { r.Trouble = what }) }

// gap tells that n trades of a symbol are missing for good, 0 an unknown number.
func (l *live) gap(symbol, kind string, from, to int64) {
	n := int64(1)
	if kind == gapSequence {
		n = to - from + 1
	}
	l.Observer.FeedGap(l.SourceName, kind, n)
	l.note(func(r *Report) {
		if kind == gapSequence {
			r.Missing += n
		} else {
			r.Outages++
		}
	})
	if kind == gapSequence {
		l.Log.Warn("trades are missing and the venue does not give them any more", "source", l.SourceName, "symbol", symbol, "from", from, "to", to)
		return
	}
	l.Log.Warn("trades may be missing: the venue does not tell what it sent meanwhile", "source", l.SourceName, "symbol", symbol)
}

// usable drops what the venue wrote and no trade can be made of, with a count.
func (l *live) usable(trades []adapter.Trade) []adapter.Trade {
	out := trades[:0]
	for i := range trades {
		t := &trades[i]
		if t.Reject == core.ReasonNone {
			out = append(out, *t)
			continue
		}
		l.refuse(t.Reject, t.Field)
	}
	return out
}

// refuse counts a trade that is not used.
func (l *live) refuse(why core.Reason, field string) {
	l.Observer.FeedRefused(l.SourceName, why.String(), 1)
	l.note(func(r *Report) {
		if r.Refused++; r.Refused&(r.Refused-1) == 0 { // 1, 2, 4, 8: a log of this cannot be filled by a venue
			l.Log.Warn("a trade of the venue cannot be used", "source", l.SourceName, "reason", why.String(), "field", field, "so far", r.Refused)
		}
	})
}

// records makes records of trades and counts nothing: they are not sent yet.
func (l *live) records(trades []adapter.Trade, fence int64) []Record {
	o := origin{
		venue: l.Format.Preset, source: l.SourceName, prefix: l.SymbolPrefix, fence: fence,
		received: l.Clock.Now().UnixMilli(), trace: NewTrace(),
	}
	out := make([]Record, len(trades))
	for i := range trades {
		out[i] = o.record(&trades[i])
	}
	return out
}

// send delivers trades of any symbols in order.
func (l *live) send(ctx context.Context, d *delivery, trades []adapter.Trade, fence int64) error {
	for part := range slices.Chunk(trades, maxBatch) {
		if err := d.deliver(ctx, l.records(part, fence)); err != nil {
			return err
		}
		l.Observer.FeedTrades(l.SourceName, len(part))
	}
	return nil
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, c clock.Clock, d time.Duration) error {
	timer := c.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
		return nil
	}
}

// lookup asks the topic for the last trades until it answers.
func (l *live) lookup(ctx context.Context, out Topic, symbols []string) (map[string]LastTrade, error) {
	names := make([]string, len(symbols))
	for i, s := range symbols {
		names[i] = l.SymbolPrefix + s
	}
	for n := 0; ; n++ {
		last, err := out.LastTrades(ctx, l.SourceName, names)
		if err == nil {
			found := make(map[string]LastTrade, len(last))
			for name, t := range last {
				found[name[len(l.SymbolPrefix):]] = t
			}
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		l.Observer.FeedError(l.SourceName, reasonLookup)
		if err := sleep(ctx, l.Clock, fullJitter(n, firstPause, maxPause)); err != nil {
			return nil, err
		}
	}
}
